"""How a run's result is used: commands and lines of Python to copy, by the kind of answer."""

import shlex
from pathlib import Path

from emmental.recipes.kinds import Kind

ASKED = {  # what stands after `smp predict RESULT`, and what is asked of the loaded result
    Kind.LABEL: ('"a text"', 'pruned.probabilities(["a text"])  # [texts, labels]; of pairs: (texts, second texts)'),
    Kind.SEVERAL: (
        '"a text"',
        'pruned.probabilities(["a text"])  # of each label, [texts, labels]; of pairs: (texts, second texts)',
    ),
    Kind.VALUE: (
        '"a text"',
        'pruned.probabilities(["a text"])  # [texts, 1]: the value; of pairs: (texts, second texts)',
    ),
    Kind.SPAN: (
        '--question "a question" --context "the text with the answer"',
        'pruned.answers("a question", "the text with the answer")  # the best first, each a dict',
    ),
}


def commands(kind: Kind, result: Path, output_dir: Path, is_mask: bool) -> list[str]:
    """Lines for a shell. result: the mask, or the folder of a model whose weights were trained."""
    file = shlex.quote(str(result))
    lines = [f"smp predict {file} {ASKED[kind][0]}"] if kind in ASKED else []
    lines.append(f"smp eval {shlex.quote(str(output_dir))}  # on the validation set; --data_dir or --validation_file")
    if is_mask:
        smallest = shlex.quote(str(result.with_suffix(".smp")))
        lines += [f"smp inspect {file}", f"smp convert {file} {smallest}  # the smallest file"]
    return lines


def python(kind: Kind, result: Path) -> list[str]:
    """Lines of Python."""
    asked = [ASKED[kind][1]] if kind in ASKED else []
    return ["from emmental import load_pruned", f"pruned = load_pruned({str(result)!r})", *asked]


def by_flag(command: str) -> str:
    """The same command with each flag on a line of its own."""
    lines = [[]]
    for word in shlex.split(command):
        if word.startswith("--"):
            lines.append([])
        lines[-1].append(word)
    return " \\\n    ".join(map(shlex.join, lines))
