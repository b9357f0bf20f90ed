"""What ``smp convert`` does."""

from emmental import masks
from emmental.inference import subjects
from emmental.masks import describe


def run(arguments) -> None:
    mask = subjects.read_mask(arguments.mask, arguments.backbone, arguments.task_name)
    masks.save(mask, arguments.target)
    print(f"{arguments.target}: {describe.sizes(mask, arguments.target)}")
