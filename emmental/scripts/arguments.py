"""The scripts' command lines: transformers' parser of dataclasses, which says in one sentence what is wrong."""

from transformers import HfArgumentParser

from emmental.common.errors import InputError
from emmental.launch.flags import check_known


class _Parser(HfArgumentParser):
    def error(self, message):
        raise InputError(message)


def parse(kinds: tuple[type, ...], description: str, words: list[str] | None = None, **defaults) -> tuple:
    """An object of each dataclass from these words, by default the command line's. Raises InputError for unknown flags
    (with the nearest one), for values that are none, and for settings that transformers refuses."""
    parser = _Parser(kinds, description=description, allow_abbrev=False)
    parser.set_defaults(**defaults)
    try:
        *objects, rest = parser.parse_args_into_dataclasses(
            words, return_remaining_strings=True, look_for_args_file=words is None
        )
    except (ValueError, ImportError, NotImplementedError) as error:
        raise InputError(" ".join(str(error).split())) from None
    for word in rest:
        check_known(word, {name for kind in kinds for name in kind.__dataclass_fields__})
    if rest:
        raise InputError(f"{rest[0]!r} stands alone: only flags and their values are expected")
    return tuple(objects)
