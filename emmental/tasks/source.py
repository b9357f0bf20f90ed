"""Where a task's examples come from."""

from dataclasses import dataclass
from pathlib import Path

from emmental.common.errors import InputError


@dataclass(frozen=True)
class Source:
    """A folder of the task's official files, else files of one's own, else the Hub (or PyPI, for the demo).

    The rest is for tasks of one's own: a data set that ``datasets`` loads, the columns, and what they hold; see the
    flags of these names.
    """

    data_dir: str | None = None
    train_file: str | None = None
    validation_file: str | None = None
    test_file: str | None = None
    dataset_name: str | None = None
    dataset_config: str | None = None
    text_column: str | None = None
    text_pair_column: str | None = None
    label_column: str | None = None
    label_separator: str | None = None
    answer: str | None = None
    metric: str | None = None

    def folder(self) -> Path:
        """data_dir, which is given. Raises InputError where there is no such folder."""
        folder = Path(self.data_dir)
        if not folder.is_dir():
            raise InputError(f"--data_dir {folder}: no such folder")
        return folder
