"""Pictures as files, and as parts of a page."""

import base64
import io
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from emmental.common.files import replacing


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the path's suffix."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)


def as_uri(figure: Figure) -> str:
    """The figure as SVG in a data URI, on a transparent ground; its letters are shapes and need no font. The same
    figure gives the same text."""
    drawn = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "smp"}):
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(drawn.getvalue()).decode()}"
