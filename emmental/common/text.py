"""What is no text, and text for a reader: titles with aligned lines, columns, Markdown tables, numbers with units."""

from collections.abc import Iterable
from pathlib import Path

from emmental.common.errors import InputError


def check_text(text, place: str) -> None:
    """Raise InputError for what is no text that a tokenizer can read: half characters, as JSON may hold them and as
    undecodable bytes of a command line become."""
    if not isinstance(text, str):
        raise InputError(f"{place} is {text!r:.50}, not a text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{place}: not UTF-8 text: {error.reason} at character {error.start + 1}") from None


def some(names: Iterable[str], most: int = 20) -> str:
    """Names by commas; of more than ``most`` the first ones, and how many others there are."""
    names = list(names)
    others = [f"… and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *others])


def listing(title: str, rows: dict[str, str]) -> str:
    """A title and aligned "name  value" lines."""
    width = max(map(len, rows))
    return "\n".join([title, *(f"  {name:<{width}}  {value}" for name, value in rows.items())])


def markdown(rows: list[list[str]]) -> str:
    """A table in Markdown; the first row is its head."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def aligned(rows: list[list[str]]) -> str:
    """Rows of cells as columns of a table, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def duration(seconds: float) -> str:
    """Seconds for a reader: "7 min 40 s"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return " ".join([*([f"{hours} h"] if hours else []), *([f"{minutes} min"] if minutes else []), f"{seconds} s"])


def readable(value: float) -> str:
    """A metric for a reader, whether it is a share or in percent: "0.8158", "51.23"."""
    return f"{value:.4f}" if abs(value) <= 1 else f"{value:.2f}"


def volume(size: int) -> str:
    """Bytes for a reader, in decimal units: "1.33 MB"."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{size / unit:.2f} {name}"
    return f"{size / 1e3:.1f} kB"


def file_size(path: Path) -> str:
    """A file's size for a reader."""
    return volume(path.stat().st_size)
