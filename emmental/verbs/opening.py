"""What verbs open: models by their flags."""

from emmental.common.errors import InputError
from emmental.inference import subjects
from emmental.inference.load import is_standalone, load_pruned
from emmental.inference.pruned import PrunedModel
from emmental.inference.trained import is_fine_tuned


def reading(arguments) -> dict:
    """How texts become features, where the flags say so."""
    asked = {"max_length": arguments.max_seq_length, "stride": arguments.doc_stride}
    return {name: value for name, value in asked.items() if value is not None}


def open_pruned(arguments) -> PrunedModel:
    """The model of a mask on its backbone, or of a file or folder that needs none."""
    computed = {name: getattr(arguments, name) for name in ("runtime", "dtype") if hasattr(arguments, name)}
    if is_standalone(arguments.mask):
        return load_pruned(arguments.mask, arguments.backbone, **computed)
    mask = subjects.read_mask(arguments.mask, arguments.backbone, arguments.task_name)
    return load_pruned(mask, arguments.backbone, arguments.force, **computed)


def check_frozen(arguments) -> None:
    """Raise InputError where there is a checkpoint with weights of its own in place of a mask."""
    if is_fine_tuned(arguments.mask):
        raise InputError(f"{arguments.mask} holds a fine-tuned model: give a mask over a frozen backbone")
