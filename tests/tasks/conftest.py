"""What the tests of reading data share."""

import datasets
import pytest


@pytest.fixture(autouse=True, scope="module")
def _cache(tmp_path_factory):
    """What ``datasets`` keeps goes to a folder of this run."""
    datasets.disable_progress_bars()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        yield
