"""A title with aligned lines, as plans and results are shown; tables in Markdown."""


def table(title: str, rows: dict[str, str]) -> str:
    """A title and aligned "name  value" lines."""
    width = max(map(len, rows))
    return "\n".join([title, *(f"  {name:<{width}}  {value}" for name, value in rows.items())])


def markdown(rows: list[list[str]]) -> str:
    """A table in Markdown; the first row is its head."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
