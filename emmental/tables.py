"""A title with aligned lines, as plans and results are shown."""


def table(title: str, rows: dict[str, str]) -> str:
    """A title and aligned "name  value" lines."""
    width = max(map(len, rows))
    return "\n".join([title, *(f"  {name:<{width}}  {value}" for name, value in rows.items())])
