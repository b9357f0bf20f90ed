"""Ways to select a mask on the device beside each other: what benchmarks.training.selection finds."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.gpu.scale import Scale

PROGRAM = "benchmarks.training.selection"


def rows(scale: Scale) -> Iterator[dict]:
    """Its rows."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "selection.json"
        program = [sys.executable, "-m", PROGRAM, "--device", scale.device, "--output", found]
        subprocess.run([*program, *(["--small"] if scale.tiny else [])], check=True)
        yield from json.loads(found.read_text())["rows"]
