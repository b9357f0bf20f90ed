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

from emmental import benchmark, benchmark_report, evaluation, hub, inspection, masks, published, runtimes
from emmental.arguments import parse_label_map
from emmental.errors import InputError, exit_on_input_error
from emmental.inference import fold, load_pruned
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
    mask = evaluation.read_mask(arguments.mask, arguments.backbone, arguments.task_name)
    if mask.info.task not in squad.TASKS:
        raise InputError(f"{arguments.mask} is a mask for {mask.info.task}: give texts, not --question and --context")
    pruned = load_pruned(mask, arguments.backbone, arguments.force, arguments.runtime)
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
    mask = evaluation.read_mask(arguments.mask, arguments.backbone, arguments.task_name)
    if mask.info.task in squad.TASKS:
        raise InputError(f"{arguments.mask} is a mask for {mask.info.task}: give --question and --context")
    pruned = load_pruned(mask, arguments.backbone, arguments.force, arguments.runtime)
    columns = [list(column) for column in zip(*rows, strict=True)]
    table = csv.writer(sys.stdout, delimiter="\t", lineterminator="\n")
    table.writerow(["label", *pruned.labels] if len(pruned.labels) > 1 else pruned.labels)
    for values in pruned.probabilities(*columns, max_length=arguments.max_seq_length or 128):
        label = [pruned.labels[values.argmax()]] if len(values) > 1 else []
        table.writerow([*label, *(f"{value:.6f}" for value in values)])


def evaluate(arguments) -> None:
    datasets.disable_progress_bars()
    subject = evaluation.find(arguments.what, arguments.base_url, arguments.sha256)
    mask = evaluation.read_subject(subject, arguments.backbone, arguments.task_name)
    if arguments.label_map:
        words = parse_label_map(arguments.label_map)
        mask = dataclasses.replace(mask, info=dataclasses.replace(mask.info, label_words=words))
    elif subject.known and subject.known.task == "mnli":
        print(
            "published MNLI masks were trained with scrambled label words: scored with those (--label_map: with others)"
        )
    source = Source(arguments.data_dir, None, arguments.validation_file)
    measured = evaluation.score(
        mask, source, arguments.backbone, reading(arguments), arguments.force, arguments.runtime
    )
    print(evaluation.show(subject, mask, measured))


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

    def add(name, function, description, *parents, mask=True):
        verb = verbs.add_parser(name, help=description, description=description, parents=parents)
        verb.set_defaults(function=function)
        if mask:
            verb.add_argument("mask", type=Path, help="mask file: .safetensors, .smp or .npy")
        return verb

    add("inspect", inspect, "show a mask's origin, densities, empty rows and columns, and size", npy)
    verb = add("convert", convert, "write a mask in another encoding", npy)
    verb.add_argument("target", type=Path, help="the file to write; its ending chooses the encoding")
    verb = add("diff", diff, "compare two masks: what they share, by matrix type", npy)
    verb.add_argument("b", type=Path, help="the other mask file")
    verb = add("fold", fold_mask, "write a plain Hugging Face checkpoint with the mask folded in", npy, using)
    verb.add_argument("folder", type=Path, help="the folder to write")
    verb = add("predict", predict, "label texts or answer a question: probabilities, tab-separated", npy, using, texts)
    verb.add_argument("texts", nargs="*", help="the texts, each an argument")
    verb.add_argument("--question", help="with --context: the answer of a mask that was trained on SQuAD")
    verb.add_argument("--context", help="the text that holds the answer")
    verb.add_argument("--tsv", type=Path, help="a file with a text per line, or two parted by a tab")
    verb = add("eval", evaluate, "score a mask on its task's validation set", npy, using, texts, mask=False)
    verb.add_argument("what", help="output folder of run.sh, mask file, or name of a published mask")
    verb.add_argument("--data_dir", help="folder with GLUE's TSV files or SQuAD's json files (default: the Hub)")
    verb.add_argument("--validation_file", help="examples as csv, json or jsonl, instead of --data_dir")
    verb.add_argument("--label_map", help="other label words: JSON or a Python dictionary")
    verb.add_argument("--base_url", default=published.RELEASE, help="where published masks are")
    verb.add_argument("--sha256", help="hash that the downloaded archive must have")
    verb = add("benchmark", benchmark_mask, "time a mask's model, dense and sparse; draws benchmark.png", npy, using)
    verb.add_argument("--json", action="store_true", help="print one JSON object with seconds and bytes")
    verb = add("push", push, "upload a mask and a card to the Hugging Face Hub")
    verb.add_argument("repository", help="owner/name")
    verb.add_argument("--private", action="store_true", help="create the repository as a private one")
    verb.add_argument("--dry_run", action="store_true", help="check the mask and show the card, upload nothing")
    verb = add("pull", pull, "download a mask from the Hugging Face Hub and print its path", mask=False)
    verb.add_argument("repository", help="owner/name")
    verb.add_argument("--revision", help="branch, tag or commit")
    return parser


def main() -> None:
    arguments = build_parser().parse_args()
    with exit_on_input_error():
        arguments.function(arguments)


if __name__ == "__main__":
    main()
