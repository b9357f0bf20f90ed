"""Where a task's examples come from."""

from dataclasses import dataclass
from pathlib import Path

from emmental.common.errors import InputError


@dataclass(frozen=True)
class Source:
    """A folder of the task's official files, else files of one's own, else the Hub (or PyPI, for the demo)."""

    data_dir: str | None = None
    train_file: str | None = None
    validation_file: str | None = None
    test_file: str | None = None

    def check(self) -> None:
        """Raise InputError where two files are needed to train and there is one, or they are of different kinds."""
        files = [file for file in (self.train_file, self.validation_file) if file]
        if self.data_dir or not files:
            return
        if len(files) == 1:
            raise InputError("--train_file and --validation_file go together")
        if Path(files[0]).suffix != Path(files[1]).suffix:
            raise InputError(f"{files[0]} and {files[1]} are of different kinds: give two csv, json or jsonl files")

    def folder(self) -> Path:
        """data_dir, which is given. Raises InputError where there is no such folder."""
        folder = Path(self.data_dir)
        if not folder.is_dir():
            raise InputError(f"--data_dir {folder}: no such folder")
        return folder
