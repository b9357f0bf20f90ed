"""All figures as tables in Markdown."""

from emmental.common.text import listing, markdown


def tables(figures: dict) -> str:
    """The machine, then each part's rows, or why there are none."""
    return "\n\n".join([listing("machine", {k: str(v) for k, v in figures["machine"].items()}), *parts(figures)]) + "\n"


def parts(figures: dict) -> list[str]:
    """One text each, as far as they are there."""
    return [part(name, found) for name, found in figures["parts"].items()]


def part(name: str, found: dict) -> str:
    """Title, rows, and what went wrong."""
    columns = list(dict.fromkeys(column for row in found["rows"] for column in row))
    rows = [columns, *([cell(row.get(column)) for column in columns] for row in found["rows"])]
    texts = [f"## {name} ({found['seconds']:.1f} s)", *([markdown(rows)] if columns else []), found.get("failed", "")]
    return "\n\n".join(filter(None, texts))


def cell(value) -> str:
    """Four digits of a number."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} x{count}" for name, count in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
