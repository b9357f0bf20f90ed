"""What ``smp pack`` does."""

from emmental.common.text import file_size
from emmental.export import task_file
from emmental.inference import subjects
from emmental.inference.load import load_pruned


def run(arguments) -> None:
    mask = subjects.read_mask(arguments.mask, arguments.backbone, arguments.task_name)
    pruned = load_pruned(mask, arguments.backbone, arguments.force)
    task_file.pack(
        pruned.model, pruned.tokenizer, mask, arguments.file, arguments.dtype, not arguments.without_embeddings
    )
    embeddings = f"to be had from {mask.info.base_model}" if arguments.without_embeddings else "in it"
    print(f"{arguments.file}: {file_size(arguments.file)}, weights in {arguments.dtype}, embeddings {embeddings}")
