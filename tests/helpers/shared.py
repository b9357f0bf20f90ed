"""Where golden numbers and real data are, if they are: tests that use them skip with a reason where they are not."""

import os
from pathlib import Path

from tests.helpers.tiny import ROOT

GOLDEN = Path(os.environ.get("SMP_GOLDEN") or ROOT.parent / "shared" / "golden")
DATA = Path(os.environ.get("SMP_DATA") or ROOT.parent / "shared" / "data")
