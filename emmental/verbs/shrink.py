"""What ``smp shrink`` does."""

from emmental.common.errors import InputError
from emmental.export import shrunk, shrunk_folder, shrunk_report
from emmental.verbs.opening import check_frozen, open_pruned


def run(arguments) -> None:
    if arguments.folder.exists():
        raise InputError(f"{arguments.folder} exists: name a new folder")
    if shrunk_folder.is_shrunk(arguments.mask):
        raise InputError(f"{arguments.mask} is shrunk already: shrink the mask that it came from")
    check_frozen(arguments)
    pruned = open_pruned(arguments)
    before = shrunk_report.measure(pruned.model.backbone)
    shrunk.shrink(pruned.model.backbone, arguments.shrink_min)
    shrunk_folder.save(pruned.model, pruned.tokenizer, pruned.info, arguments.folder)
    print(shrunk_report.show(before, pruned.model.backbone, arguments.folder / shrunk_folder.WEIGHTS))
