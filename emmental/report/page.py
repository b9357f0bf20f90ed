"""Web pages out of the templates beside this file: each one file that holds its pictures and its style, asks no network
and runs no script.

Whatever goes into a template is escaped: texts of examples come from anywhere.
"""

from pathlib import Path

import jinja2

from emmental.common.files import write_text

TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("emmental.report"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write(path: Path, template: str, **content) -> None:
    """Write the page that this template (a name without its ending) makes of its variables."""
    write_text(path, TEMPLATES.get_template(f"{template}.html").render(content))
