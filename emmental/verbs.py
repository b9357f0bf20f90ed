"""What the verbs of ``smp`` do: each takes the parsed arguments and prints."""

import csv
import dataclasses
import json
import sys
from pathlib import Path

import datasets
import numpy as np

from emmental import masks
from emmental.benchmark import report, timing
from emmental.common.errors import InputError
from emmental.common.files import new_folder
from emmental.common.text import file_size
from emmental.export import pipeline_folder, shrunk, shrunk_folder, shrunk_report, task_file
from emmental.inference import scoring, subjects
from emmental.inference.load import fold, is_standalone, load_pruned
from emmental.inference.pruned import PrunedModel
from emmental.inference.sentences import Pruned
from emmental.inference.trained import is_fine_tuned
from emmental.inference.words import PrunedWords, words_of
from emmental.masks import describe, gallery, hub
from emmental.recipes.kinds import Kind
from emmental.tasks import custom_predictions, sentences, squad
from emmental.tasks.label_map import parse_label_map
from emmental.tasks.sentence_task import with_words
from emmental.tasks.source import Source


def inspect(arguments) -> None:
    mask = subjects.read_mask(arguments.mask, arguments.backbone, arguments.task_name)
    print(describe.describe(mask, arguments.mask))


def convert(arguments) -> None:
    mask = subjects.read_mask(arguments.mask, arguments.backbone, arguments.task_name)
    masks.save(mask, arguments.target)
    print(f"{arguments.target}: {describe.sizes(mask, arguments.target)}")


def diff(arguments) -> None:
    pair = [subjects.read_mask(path, arguments.backbone, arguments.task_name) for path in (arguments.mask, arguments.b)]
    print(describe.overlap(*pair))


def fold_mask(arguments) -> None:
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


def predict(arguments) -> None:
    if arguments.question is not None or arguments.context is not None:
        answer(arguments)
    else:
        label(arguments)


def answer(arguments) -> None:
    if None in (arguments.question, arguments.context) or arguments.texts or arguments.tsv:
        raise InputError("--question and --context go together, and without texts")
    datasets.disable_progress_bars()
    pruned = open_pruned(arguments)
    if pruned.info.kind is not Kind.SPAN:
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
        rows += read_tsv(arguments.tsv)
    if {len(row) for row in rows} not in ({1}, {2}):
        raise InputError("give texts, or with --tsv a file whose lines all hold one text, or two parted by a tab")
    pruned = open_pruned(arguments)
    if pruned.info.kind is Kind.SPAN:
        raise InputError(f"{arguments.mask} is a mask for {pruned.info.task}: give --question and --context")
    if pruned.info.kind is Kind.TOKENS:
        tag(arguments, pruned, rows)
        return
    if arguments.words:
        raise InputError(f"--words: {pruned.info.task} asks nothing of single words; leave it out")
    columns = [list(column) for column in zip(*rows, strict=True)]
    answers = pruned.probabilities(*columns, max_length=arguments.max_seq_length)
    table = csv.writer(sys.stdout, delimiter="\t", lineterminator="\n")
    heads = {Kind.LABEL: ["label"], Kind.SEVERAL: ["labels"]}
    table.writerow([*heads.get(pruned.info.kind, []), *pruned.labels])
    for values in answers:
        table.writerow([*chosen(pruned, values), *(f"{value:.6f}" for value in values)])


def tag(arguments, pruned: PrunedWords, rows: list[list[str]]) -> None:
    """A line for each word with its tag, the tag's probability and, at the first word of an entity, type and text of
    it; a blank line between texts."""
    if {len(row) for row in rows} != {1}:
        raise InputError(f"{pruned.info.task} is about single texts")
    length, texts = arguments.max_seq_length, [text.split() if arguments.words else text for (text,) in rows]
    print("word\ttag\tprobability\tentity")
    for number, (text, chances) in enumerate(zip(texts, pruned.probabilities(texts, length), strict=True)):
        tags = [pruned.labels[best] for best in chances.argmax(-1)]
        begun = {entity.first: f"{entity.type} {entity.text}".strip() for entity in pruned.group(text, tags)}
        print("\n" * (number > 0), end="")
        for place, word in enumerate(words_of(text)):
            print(f"{word}\t{tags[place]}\t{chances[place].max():.6f}\t{begun.get(place, '')}")


def chosen(pruned: Pruned, probabilities: np.ndarray) -> list[str]:
    """The cell that names the label of these probabilities, or the labels; none for a value."""
    if pruned.info.kind is Kind.SEVERAL:
        return [custom_predictions.SEPARATOR.join(np.array(pruned.labels)[probabilities > 0.5])]
    return [pruned.labels[probabilities.argmax()]] if pruned.info.kind is Kind.LABEL else []


def read_tsv(path: Path) -> list[list[str]]:
    """The cells of each line. Line feeds alone end one: texts hold all else that Unicode has for it."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable UTF-8 text: {error}") from None
    return [line.removesuffix("\r").split("\t") for line in text.removesuffix("\n").split("\n")]


def evaluate(arguments) -> None:
    datasets.disable_progress_bars()
    subject = subjects.find(arguments.what, arguments.base_url, arguments.sha256)
    given = {field.name: getattr(arguments, field.name, None) for field in dataclasses.fields(Source)}
    source = subjects.source_beside(subject.path, Source(**given))
    computed = arguments.runtime, arguments.dtype
    if is_standalone(subject.path):
        if arguments.label_map:
            raise InputError(f"{subject.path} holds the logits of its own label words only: no --label_map with it")
        found = scoring.score_standalone(subject.path, source, arguments.backbone, reading(arguments), *computed)
        print(scoring.show_standalone(subject.path, *found))
        return
    mask = subjects.read_subject(subject, arguments.backbone, arguments.task_name)
    if arguments.label_map:
        words = parse_label_map(arguments.label_map)
        if mask.info.kind is not Kind.SPAN:
            task = sentences.of_model(mask.info.task, mask.info.kind, mask.info.label_words, Source())
            words = with_words(task, words).words
        mask = dataclasses.replace(mask, info=dataclasses.replace(mask.info, label_words=words))
    elif subject.known and subject.known.task == "mnli":
        print(
            "published MNLI masks were trained with scrambled label words: scored with those (--label_map: with others)"
        )
    measured = scoring.score(mask, source, arguments.backbone, reading(arguments), arguments.force, *computed)
    print(scoring.show(subject, mask, measured))


def shrink(arguments) -> None:
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


def pack(arguments) -> None:
    mask = subjects.read_mask(arguments.mask, arguments.backbone, arguments.task_name)
    pruned = load_pruned(mask, arguments.backbone, arguments.force)
    task_file.pack(
        pruned.model, pruned.tokenizer, mask, arguments.file, arguments.dtype, not arguments.without_embeddings
    )
    embeddings = f"to be had from {mask.info.base_model}" if arguments.without_embeddings else "in it"
    print(f"{arguments.file}: {file_size(arguments.file)}, weights in {arguments.dtype}, embeddings {embeddings}")


def export(arguments) -> None:
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


def check_frozen(arguments) -> None:
    """Raise InputError where there is a checkpoint with weights of its own in place of a mask."""
    if is_fine_tuned(arguments.mask):
        raise InputError(f"{arguments.mask} holds a fine-tuned model: give a mask over a frozen backbone")


def open_pruned(arguments) -> PrunedModel:
    """The model of a mask on its backbone, or of a file or folder that needs none."""
    computed = {name: getattr(arguments, name) for name in ("runtime", "dtype") if hasattr(arguments, name)}
    if is_standalone(arguments.mask):
        return load_pruned(arguments.mask, arguments.backbone, **computed)
    mask = subjects.read_mask(arguments.mask, arguments.backbone, arguments.task_name)
    return load_pruned(mask, arguments.backbone, arguments.force, **computed)


def benchmark_mask(arguments) -> None:
    mask = subjects.read_mask(arguments.mask, arguments.backbone, arguments.task_name)
    measured = timing.benchmark(mask, arguments.mask, arguments.backbone, arguments.force)
    title = f"{mask.info.task} at density {mask.density():.4f} on {mask.info.base_model}"
    picture = arguments.mask.with_name("benchmark.png")
    report.draw(measured, f"{title}\n{report.machine()}", picture)
    if arguments.json:
        print(json.dumps(report.as_json(measured)))
    else:
        print(report.show(measured, title))
        print(f"picture: {picture}")


def push(arguments) -> None:
    known = hub.Known(license=arguments.license, languages=arguments.language, datasets=arguments.dataset)
    print(hub.push(arguments.mask, arguments.repository, arguments.private, arguments.dry_run, known))


def pull(arguments) -> None:
    print(hub.pull(arguments.repository, arguments.revision))


def list_masks(arguments) -> None:
    print(gallery.show(arguments.place))
