"""What ``smp diff`` does."""

from emmental.inference import subjects
from emmental.masks import describe


def run(arguments) -> None:
    pair = [subjects.read_mask(path, arguments.backbone, arguments.task_name) for path in (arguments.mask, arguments.b)]
    print(describe.overlap(*pair))
