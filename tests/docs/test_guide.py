"""The guide: commands and Python are tried page by page in the order they stand, on a tiny backbone."""

import pytest

from tests.helpers.pages import GUIDE, run_page


@pytest.mark.parametrize("page", GUIDE)
def test_commands_run(page, workplace, tiny_bert):
    run_page(page, workplace, tiny_bert)
