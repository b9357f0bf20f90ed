"""The flags of the Python scripts, read without transformers: as HfArgumentParser reads the same dataclasses."""

import argparse
import ast
import difflib
import importlib.util
from dataclasses import Field, fields
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Literal, NamedTuple, get_args, get_origin, get_type_hints

from emmental.common.errors import InputError
from emmental.recipes.settings import BackboneArguments, RunSettings, SentenceDataArguments, SpanDataArguments

TRUTH = dict.fromkeys(("yes", "true", "t", "y", "1"), True) | dict.fromkeys(("no", "false", "f", "n", "0"), False)


class Flags(NamedTuple):
    """What a script's command line says."""

    base: BackboneArguments
    data: SentenceDataArguments | SpanDataArguments
    settings: RunSettings


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise InputError(message)


def read_flags(words: list[str], spans: bool) -> Flags:
    """The flags of masked_run_squad.py (spans) or masked_run_glue.py; of a flag given twice the last counts.

    transformers' other flags are passed over. Raises InputError where there is no such flag, or a value is none.
    """
    kinds = Flags(BackboneArguments, SpanDataArguments if spans else SentenceDataArguments, RunSettings)
    parser = _Parser(add_help=False, allow_abbrev=False)
    for kind in kinds:
        hints = get_type_hints(kind)
        for field in fields(kind):
            _add(parser, field, hints[field.name])
    found, rest = parser.parse_known_args(words)
    known = {name for kind in kinds for name in kind.__dataclass_fields__}
    for word in rest:
        check_known(word, known)
    return Flags(*(kind(**{field.name: getattr(found, field.name) for field in fields(kind)}) for kind in kinds))


def _add(parser: argparse.ArgumentParser, field: Field, hint: type) -> None:
    names = _spellings(field.name)
    if hint is bool:
        parser.add_argument(*names, dest=field.name, nargs="?", const=True, default=field.default, type=_truth)
        if field.default:
            parser.add_argument(*_spellings(f"no_{field.name}"), dest=field.name, action="store_false")
        return
    choices = get_args(hint) if get_origin(hint) is Literal else field.metadata.get("choices")
    plain = str if get_origin(hint) is Literal else next((t for t in get_args(hint) if t is not NoneType), hint)
    parser.add_argument(*names, dest=field.name, type=plain, default=field.default, choices=choices)


def _spellings(name: str) -> list[str]:
    return list(dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}")))


def _truth(word: str) -> bool:
    if word.lower() not in TRUTH:
        raise argparse.ArgumentTypeError(f"{word!r} is neither true nor false")
    return TRUTH[word.lower()]


def check_known(word: str, known: set[str]) -> None:
    """Raise InputError where the word is a flag that neither we nor transformers have."""
    if not word.startswith("--"):
        return
    name, others = word.split("=")[0].removeprefix("--").replace("-", "_"), known | _trainer_flags()
    if name.removeprefix("no_") not in others:
        near = difflib.get_close_matches(name, others, n=1)
        raise InputError(f"there is no flag --{name}" + (f": is --{near[0]} meant?" if near else ""))


@cache
def _trainer_flags() -> set[str]:
    """The names of transformers' TrainingArguments, read from its source: importing it takes seconds."""
    package = Path(importlib.util.find_spec("transformers").origin).parent
    tree = ast.parse((package / "training_args.py").read_text(encoding="utf-8"))
    (arguments,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "TrainingArguments")
    return {node.target.id for node in arguments.body if isinstance(node, ast.AnnAssign)}
