"""What ``smp export`` does."""

from emmental.common.text import file_size
from emmental.verbs.opening import check_frozen, open_pruned


def run(arguments) -> None:
    from emmental.export import onnx_file, onnx_folder  # slow to import, and needed here alone

    check_frozen(arguments)
    pruned = open_pruned(arguments)
    if arguments.file.suffix:
        file, labels = arguments.file, list(pruned.info.label_words)
        difference, inputs, outputs = onnx_file.export(pruned.model, pruned.tokenizer, labels, file)
    else:
        file = arguments.file / onnx_folder.MODEL
        difference, inputs, outputs = onnx_folder.save(pruned.model, pruned.tokenizer, pruned.info, arguments.file)
    print(
        f"{file}: {file_size(file)}, opset {onnx_file.OPSET}, {', '.join(inputs)} -> "
        f"{', '.join(outputs)}; onnxruntime's logits differ from PyTorch's by {difference:.1e}"
    )
