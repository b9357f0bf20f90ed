"""What one does with masks.

python -m emmental inspect models/sst2_0.10_mag/mask.safetensors
python -m emmental predict models/sst2_0.10_mag/mask.safetensors "a charming film"
python -m emmental VERB --help
"""

import argparse
import csv
import dataclasses
import json
import sys
import tempfile
from pathlib import Path

import datasets

from emmental import (
    benchmark,
    benchmark_report,
    evaluation,
    hub,
    inspection,
    masks,
    packing,
    published,
    report,
    runtimes,
    shrunk,
    shrunk_files,
    shrunk_report,
)
from emmental.arguments import parse_label_map
from emmental.errors import InputError, exit_on_input_error
from emmental.formats import floats
from emmental.inference import Pruned, fold, is_standalone, load_pruned
from emmental.spans import PrunedSpans
from emmental.tasks import squad
from emmental.tasks.source import Source


def inspect(arguments) -> None:
    mask = evaluation.read_mask(arguments.mask, arguments.backbone, arguments.task_name)
    print(inspection.describe(mask, arguments.mask))


def convert(arguments) -> None:
    mask = evaluation.read_mask(arguments.mask, arguments.backbone, arguments.task_name)
    masks.save(mask, arguments.target)
    print(f"{arguments.target}: {inspection.sizes(mask, arguments.target)}")


def diff(arguments) -> None:
    pair = [
        evaluation.read_mask(path, arguments.backbone, arguments.task_name) for path in (arguments.mask, arguments.b)
    ]
    print(inspection.overlap(*pair))


def fold_mask(arguments) -> None:
    if arguments.folder.exists():
        raise InputError(f"{arguments.folder} exists: name a new folder")
    mask = evaluation.read_mask(arguments.mask, arguments.backbone, arguments.task_name)
    backbone = fold(mask, arguments.backbone, arguments.force)
    with tempfile.TemporaryDirectory(dir=arguments.folder.absolute().parent) as temporary:
        whole = Path(temporary) / arguments.folder.name
        backbone.model.save_pretrained(whole)
        backbone.tokenizer.save_pretrained(whole)
        whole.rename(arguments.folder)
    print(f"{arguments.folder}: a plain {type(backbone.model).__name__}, {mask.density():.4f} of its encoder remain")


def predict(arguments) -> None:
    if arguments.question or arguments.context:
        answer(arguments)
    else:
        label(arguments)


def answer(arguments) -> None:
    if not (arguments.question and arguments.context) or arguments.texts or arguments.tsv:
        raise InputError("--question and --context go together, and without texts")
    pruned = open_pruned(arguments)
    if not isinstance(pruned, PrunedSpans):
        raise InputError(f"{arguments.mask} is a mask for {pruned.info.task}: give texts, not --question and --context")
    best = pruned.answers(arguments.question, arguments.context, squad.Reading(**reading(arguments)))[0]
    print(f"answer\tprobability\n{best['text']}\t{best['probability']:.6f}")


def reading(arguments) -> dict:
    """How texts become features, where the flags say so."""
    asked = {"max_length": arguments.max_seq_length, "stride": arguments.doc_stride}
    return {name: value for name, value in asked.items() if value is not None}


def label(arguments) -> None:
    rows = [[text] for text in arguments.texts]
    if arguments.tsv:
        rows += [line.split("\t") for line in arguments.tsv.read_text(encoding="utf-8").splitlines()]
    if {len(row) for row in rows} not in ({1}, {2}):
        raise InputError("give texts, or with --tsv a file whose lines all hold one text, or two parted by a tab")
    pruned = open_pruned(arguments)
    if isinstance(pruned, PrunedSpans):
        raise InputError(f"{arguments.mask} is a mask for {pruned.info.task}: give --question and --context")
    columns = [list(column) for column in zip(*rows, strict=True)]
    table = csv.writer(sys.stdout, delimiter="\t", lineterminator="\n")
    table.writerow(["label", *pruned.labels] if len(pruned.labels) > 1 else pruned.labels)
    for values in pruned.probabilities(*columns, max_length=arguments.max_seq_length or 128):
        label = [pruned.labels[values.argmax()]] if len(values) > 1 else []
        table.writerow([*label, *(f"{value:.6f}" for value in values)])


def evaluate(arguments) -> None:
    datasets.disable_progress_bars()
    subject = evaluation.find(arguments.what, arguments.base_url, arguments.sha256)
    source = Source(arguments.data_dir, None, arguments.validation_file)
    if is_standalone(subject.path):
        if arguments.label_map:
            raise InputError(f"{subject.path} holds the logits of its own label words only: no --label_map with it")
        found = evaluation.score_standalone(
            subject.path, source, arguments.backbone, reading(arguments), arguments.runtime
        )
        print(evaluation.show_standalone(subject.path, *found))
        return
    mask = evaluation.read_subject(subject, arguments.backbone, arguments.task_name)
    if arguments.label_map:
        words = parse_label_map(arguments.label_map)
        mask = dataclasses.replace(mask, info=dataclasses.replace(mask.info, label_words=words))
    elif subject.known and subject.known.task == "mnli":
        print(
            "published MNLI masks were trained with scrambled label words: scored with those (--label_map: with others)"
        )
    measured = evaluation.score(
        mask, source, arguments.backbone, reading(arguments), arguments.force, arguments.runtime
    )
    print(evaluation.show(subject, mask, measured))


def shrink(arguments) -> None:
    if arguments.folder.exists():
        raise InputError(f"{arguments.folder} exists: name a new folder")
    if shrunk_files.is_shrunk(arguments.mask):
        raise InputError(f"{arguments.mask} is shrunk already: shrink the mask that it came from")
    pruned = open_pruned(arguments)
    before = shrunk_report.measure(pruned.model.backbone)
    shrunk.shrink(pruned.model.backbone, arguments.shrink_min)
    shrunk_files.save(pruned.model, pruned.tokenizer, pruned.info, arguments.folder)
    print(shrunk_report.show(before, pruned.model.backbone, arguments.folder / shrunk_files.WEIGHTS))


def pack(arguments) -> None:
    mask = evaluation.read_mask(arguments.mask, arguments.backbone, arguments.task_name)
    pruned = load_pruned(mask, arguments.backbone, arguments.force)
    packing.pack(
        pruned.model, pruned.tokenizer, mask, arguments.file, arguments.dtype, not arguments.without_embeddings
    )
    embeddings = f"to be had from {mask.info.base_model}" if arguments.without_embeddings else "in it"
    print(
        f"{arguments.file}: {report.file_size(arguments.file)}, weights in {arguments.dtype}, embeddings {embeddings}"
    )


def export(arguments) -> None:
    from emmental import onnx_export  # slow to import, and needed here alone

    pruned = open_pruned(arguments)
    labels = list(pruned.info.label_words)
    difference, inputs, outputs = onnx_export.export(pruned.model, pruned.tokenizer, labels, arguments.file)
    print(
        f"{arguments.file}: {report.file_size(arguments.file)}, opset {onnx_export.OPSET}, {', '.join(inputs)} -> "
        f"{', '.join(outputs)}; onnxruntime's logits differ from PyTorch's by {difference:.1e}"
    )


def open_pruned(arguments) -> Pruned | PrunedSpans:
    """The model of a mask on its backbone, or of a file or folder that needs none."""
    runtime = getattr(arguments, "runtime", "dense")
    if is_standalone(arguments.mask):
        return load_pruned(arguments.mask, arguments.backbone, runtime=runtime)
    mask = evaluation.read_mask(arguments.mask, arguments.backbone, arguments.task_name)
    return load_pruned(mask, arguments.backbone, arguments.force, runtime)


def benchmark_mask(arguments) -> None:
    mask = evaluation.read_mask(arguments.mask, arguments.backbone, arguments.task_name)
    measured = benchmark.benchmark(mask, arguments.mask, arguments.backbone, arguments.force)
    title = f"{mask.info.task} at density {mask.density():.4f} on {mask.info.base_model}"
    picture = arguments.mask.with_name("benchmark.png")
    benchmark_report.draw(measured, f"{title}\n{benchmark_report.machine()}", picture)
    if arguments.json:
        print(json.dumps(benchmark_report.as_json(measured)))
    else:
        print(benchmark_report.show(measured, title))
        print(f"picture: {picture}")


def push(arguments) -> None:
    print(hub.push(arguments.mask, arguments.repository, arguments.private, arguments.dry_run))


def pull(arguments) -> None:
    print(hub.pull(arguments.repository, arguments.revision))


def build_parser() -> argparse.ArgumentParser:
    """One subparser per verb."""
    parser = argparse.ArgumentParser(prog="python -m emmental", description="Inspect, change, use and share masks.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    npy = argparse.ArgumentParser(add_help=False)
    npy.add_argument("--backbone", help="folder, Hub name or minilm (default: the one that the mask names)")
    npy.add_argument("--task_name", help="the task of a .npy mask, which does not say it")
    using = argparse.ArgumentParser(add_help=False)
    using.add_argument("--force", action="store_true", help="apply the mask though the backbone is not the mask's own")
    texts = argparse.ArgumentParser(add_help=False)
    texts.add_argument("--max_seq_length", type=int, help="tokens per text (default 128, questions 384)")
    texts.add_argument("--doc_stride", type=int, help="tokens that windows of a long context share (default 128)")
    texts.add_argument(
        "--runtime",
        choices=runtimes.RUNTIMES,
        default="dense",
        help="how it is computed: dense (default), sparse products, or auto: the faster one of each matrix",
    )

    file = "mask file: .safetensors, .smp or .npy"
    model = f"{file}; task checkpoint: .task; or folder of a shrunk model"

    def add(name, function, description, *parents, mask=file):
        verb = verbs.add_parser(name, help=description, description=description, parents=parents)
        verb.set_defaults(function=function)
        if mask:
            verb.add_argument("mask", type=Path, help=mask)
        return verb

    add("inspect", inspect, "show a mask's origin, densities, empty rows and columns, and size", npy)
    verb = add("convert", convert, "write a mask in another encoding", npy)
    verb.add_argument("target", type=Path, help="the file to write; its ending chooses the encoding")
    verb = add("diff", diff, "compare two masks: what they share, by matrix type", npy)
    verb.add_argument("b", type=Path, help="the other mask file")
    verb = add("fold", fold_mask, "write a plain Hugging Face checkpoint with the mask folded in", npy, using)
    verb.add_argument("folder", type=Path, help="the folder to write")
    words = "label texts or answer a question: probabilities, tab-separated"
    verb = add("predict", predict, words, npy, using, texts, mask=model)
    verb.add_argument("texts", nargs="*", help="the texts, each an argument")
    verb.add_argument("--question", help="with --context: the answer of a mask that was trained on SQuAD")
    verb.add_argument("--context", help="the text that holds the answer")
    verb.add_argument("--tsv", type=Path, help="a file with a text per line, or two parted by a tab")
    verb = add("eval", evaluate, "score a mask on its task's validation set", npy, using, texts, mask=None)
    verb.add_argument("what", help=f"output folder of run.sh; {model}; or name of a published mask")
    verb.add_argument("--data_dir", help="folder with GLUE's TSV files or SQuAD's json files (default: the Hub)")
    verb.add_argument("--validation_file", help="examples as csv, json or jsonl, instead of --data_dir")
    verb.add_argument("--label_map", help="other label words: JSON or a Python dictionary")
    verb.add_argument("--base_url", default=published.RELEASE, help="where published masks are")
    verb.add_argument("--sha256", help="hash that the downloaded archive must have")
    verb = add("shrink", shrink, "write a smaller model without the empty rows and columns", npy, using, mask=model)
    verb.add_argument("folder", type=Path, help="the folder to write")
    verb.add_argument(
        "--shrink_min", type=int, default=0, help="drop rows with fewer weights than this, too, which changes the model"
    )
    verb = add(
        "pack", pack, "write a mask and the weights it keeps in one small file that needs no backbone", npy, using
    )
    verb.add_argument("file", type=Path, help="the file to write; its name ends in .task")
    verb.add_argument("--dtype", choices=floats.DTYPES, default="fp32", help="of the weights (default fp32: lossless)")
    verb.add_argument("--without_embeddings", action="store_true", help="leave them to the backbone: far smaller")
    verb = add("export", export, "write an ONNX file, checked with onnxruntime", npy, using, mask=model)
    verb.add_argument("file", type=Path, help="the file to write; its name ends in .onnx")
    verb = add("benchmark", benchmark_mask, "time a mask's model, dense and sparse; draws benchmark.png", npy, using)
    verb.add_argument("--json", action="store_true", help="print one JSON object with seconds and bytes")
    verb = add("push", push, "upload a mask and a card to the Hugging Face Hub")
    verb.add_argument("repository", help="owner/name")
    verb.add_argument("--private", action="store_true", help="create the repository as a private one")
    verb.add_argument("--dry_run", action="store_true", help="check the mask and show the card, upload nothing")
    verb = add("pull", pull, "download a mask from the Hugging Face Hub and print its path", mask=None)
    verb.add_argument("repository", help="owner/name")
    verb.add_argument("--revision", help="branch, tag or commit")
    return parser


def main() -> None:
    arguments = build_parser().parse_args()
    with exit_on_input_error():
        arguments.function(arguments)


if __name__ == "__main__":
    main()
