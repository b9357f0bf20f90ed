"""Pictures as files."""

from pathlib import Path

from matplotlib.figure import Figure

from emmental.common.files import replacing


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the path's suffix."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
