"""What ``smp inspect`` does."""

from emmental.inference import subjects
from emmental.masks import describe


def run(arguments) -> None:
    mask = subjects.read_mask(arguments.mask, arguments.backbone, arguments.task_name)
    print(describe.describe(mask, arguments.mask))
