"""Train a mask for a sentence task over a frozen pretrained encoder.

python -m emmental.scripts.glue --help       # masked_run_glue.py in a clone
"""

from dataclasses import fields
from functools import partial
from pathlib import Path

import datasets

from emmental.common.errors import InputError, exit_on_input_error
from emmental.common.run_folder import RESULTS
from emmental.inference import scoring, subjects, submission
from emmental.models.backbones import load_backbone
from emmental.recipes import lengths
from emmental.recipes.kinds import Kind
from emmental.recipes.settings import BackboneArguments, SentenceDataArguments, check_custom, check_files
from emmental.recipes.table import CUSTOM
from emmental.scripts.arguments import parse
from emmental.tasks import metrics, sentences, words
from emmental.tasks.batches import order_of_lengths, shortest_first
from emmental.tasks.examined import examine_sentences
from emmental.tasks.label_map import parse_label_map
from emmental.tasks.problem import Problem
from emmental.tasks.sentence_task import SentenceTask, tokenized, with_words
from emmental.tasks.source import Source
from emmental.training.config import SMPConfig
from emmental.training.run import run


def main() -> None:
    """Parse the flags; train, or score a mask; predict the test set where that is asked for."""
    datasets.disable_progress_bars()
    with exit_on_input_error():
        kinds = BackboneArguments, SentenceDataArguments, SMPConfig
        base, data, config = parse(kinds, __doc__.splitlines()[0])
        config.check()
        check_custom(data)
        tests = sentences.load_tests(task_name(data), sources(data)) if config.do_predict else {}
        finished = (Path(config.output_dir) / RESULTS).exists() and not config.overwrite_output_dir
        if data.use_mask_pt:
            score(base, data)
        elif not (tests and finished):
            train(base, data, config)
        if tests and config.should_save:
            predict(base, data, config, tests)


def task_name(data: SentenceDataArguments) -> str:
    """What the task is called in the mask and everywhere else."""
    return data.task_label if data.task_name == CUSTOM else data.task_name


def train(base: BackboneArguments, data: SentenceDataArguments, config: SMPConfig) -> None:
    """Train for the task by the configured method."""
    source, label_map = sources(data), parse_label_map(data.label_map) if data.label_map else None
    check_files(data)
    with config.main_process_first(desc="downloads"):
        task, examples, validation = sentences.load(task_name(data), source)
    if label_map:
        task = with_words(task, label_map)
    run(config, base, lambda tokenizer: as_problem(task, examples, validation, tokenizer, data.max_seq_length, source))


def score(base: BackboneArguments, data: SentenceDataArguments) -> None:
    """Print the table of a mask's figures on the validation set."""
    subject = subjects.find(data.use_mask_pt)
    mask = subjects.read_subject(subject, base.model_name_or_path, data.task_name)
    if mask.info.kind is Kind.SPAN:
        raise InputError(f"{subject.path} is a mask for {mask.info.task}: score it with masked_run_squad.py")
    source = subjects.source_beside(subject.path, sources(data))
    measured = scoring.score(mask, source, base.model_name_or_path, {"max_length": data.max_seq_length})
    print(scoring.show(subject, mask, measured))


def predict(base: BackboneArguments, data: SentenceDataArguments, config: SMPConfig, tests: dict) -> None:
    """Write the predictions of the output folder's mask or dense model, or of --use_mask_pt, for these test sets."""
    folder, name = Path(config.output_dir) / "predictions", task_name(data)
    if config.method.trains_weights:
        submission.predict_dense(folder.parent, name, tests, data.max_seq_length, folder)
    else:
        mask = data.use_mask_pt or config.output_dir
        backbone = load_backbone(base.model_name_or_path, base.model_revision, base.cache_dir)
        submission.predict_pruned(mask, backbone, name, tests, data.max_seq_length, folder)


def sources(data: SentenceDataArguments) -> Source:
    """Where the examples are, by the flags."""
    return Source(**{field.name: getattr(data, field.name) for field in fields(Source)})


def as_problem(
    task: SentenceTask, examples, validation: dict, tokenizer, max_length: int, source: Source | None = None
) -> Problem:
    """The sentence task's examples as features for this tokenizer. source: where they are from."""
    origin = sentences.origin(task.name, source) if source else {}
    if task.kind is Kind.TOKENS:
        return words.as_problem(task, examples, validation[""], tokenizer, max_length, origin)
    features = {name: tokenized(split, tokenizer, max_length) for name, split in validation.items()}
    return Problem(
        task=task.name,
        kind=task.kind,
        label_words=task.words,
        label_names=("labels",),
        unit="examples",
        train=tokenized(examples, tokenizer, max_length),
        validation={name: shortest_first(split) for name, split in features.items()},
        compute_metrics=metrics.compute_metrics(task),
        metrics=task.metrics,
        baseline=metrics.majority_baseline(task, validation[""]),
        reading={"max_length": max_length} | origin,
        lengths=lengths.GLUE,
        finds_words=task.finds_words,
        examine=partial(
            examine_sentences, task.kind, task.labels, validation[""].select(order_of_lengths(features[""]))
        ),
    )


if __name__ == "__main__":
    main()
