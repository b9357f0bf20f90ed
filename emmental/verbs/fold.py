"""What ``smp fold`` does."""

from emmental.common.errors import InputError
from emmental.common.files import new_folder
from emmental.export import pipeline_folder
from emmental.inference import subjects
from emmental.inference.load import fold, load_pruned


def run(arguments) -> None:
    if arguments.folder.exists():
        raise InputError(f"{arguments.folder} exists: name a new folder")
    mask = subjects.read_mask(arguments.mask, arguments.backbone, arguments.task_name)
    if arguments.purpose == "pipeline":
        pruned = load_pruned(mask, arguments.backbone, arguments.force)
        model, difference = pipeline_folder.save(pruned.model, pruned.tokenizer, pruned.info, arguments.folder)
        compared = f"; its logits differ from the mask's by {difference:.1e}"
    else:
        backbone, compared = fold(mask, arguments.backbone, arguments.force), ""
        model = backbone.model
        with new_folder(arguments.folder) as whole:
            model.save_pretrained(whole)
            backbone.tokenizer.save_pretrained(whole)
    kept = f"{mask.density():.4f} of its encoder remain"
    print(f"{arguments.folder}: a plain {type(model).__name__}, {kept}{compared}")
