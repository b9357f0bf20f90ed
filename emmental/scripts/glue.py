"""Train a mask for a sentence task over a frozen pretrained encoder.

python -m emmental.scripts.glue --help       # masked_run_glue.py in a clone
"""

from pathlib import Path

import datasets

from emmental.common.errors import InputError, exit_on_input_error
from emmental.common.run_folder import RESULTS
from emmental.inference import scoring, subjects, submission
from emmental.models.backbones import load_backbone
from emmental.recipes import lengths
from emmental.recipes.settings import BackboneArguments, SentenceDataArguments, check_files
from emmental.scripts.arguments import parse
from emmental.tasks import glue, glue_submission, metrics
from emmental.tasks.batches import shortest_first
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
        tests = glue_submission.load_tests(glue.TASKS[data.task_name], sources(data)) if config.do_predict else {}
        finished = (Path(config.output_dir) / RESULTS).exists() and not config.overwrite_output_dir
        if data.use_mask_pt:
            score(base, data)
        elif not (tests and finished):
            train(base, data, config)
        if tests and config.should_save:
            predict(base, data, config, tests)


def train(base: BackboneArguments, data: SentenceDataArguments, config: SMPConfig) -> None:
    """Train for the task by the configured method."""
    task = glue.TASKS[data.task_name]
    if data.label_map:
        task = with_words(task, parse_label_map(data.label_map))
    source = sources(data)
    check_files(data)
    with config.main_process_first(desc="downloads"):
        examples, validation = glue.load_train(task, source), glue.load_validation(task, source)
    run(config, base, lambda tokenizer: as_problem(task, examples, validation, tokenizer, data.max_seq_length))


def score(base: BackboneArguments, data: SentenceDataArguments) -> None:
    """Print the table of a mask's figures on the validation set."""
    subject = subjects.find(data.use_mask_pt)
    mask = subjects.read_subject(subject, base.model_name_or_path, data.task_name)
    if mask.info.task not in glue.TASKS:
        raise InputError(f"{subject.path} is a mask for {mask.info.task}: score it with masked_run_squad.py")
    measured = scoring.score(mask, sources(data), base.model_name_or_path, {"max_length": data.max_seq_length})
    print(scoring.show(subject, mask, measured))


def predict(base: BackboneArguments, data: SentenceDataArguments, config: SMPConfig, tests: dict) -> None:
    """Write the predictions of the output folder's mask or dense model, or of --use_mask_pt, for these test sets."""
    folder = Path(config.output_dir) / "predictions"
    if not config.method.prunes:
        submission.predict_dense(folder.parent, data.task_name, tests, data.max_seq_length, folder)
    else:
        mask = data.use_mask_pt or config.output_dir
        backbone = load_backbone(base.model_name_or_path, base.model_revision, base.cache_dir)
        submission.predict_pruned(mask, backbone, data.task_name, tests, data.max_seq_length, folder)


def sources(data: SentenceDataArguments) -> Source:
    """Where the examples are, by the flags."""
    return Source(data.data_dir, data.train_file, data.validation_file, data.test_file)


def as_problem(task: SentenceTask, examples, validation: dict, tokenizer, max_length: int) -> Problem:
    """The sentence task's examples as features for this tokenizer."""
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
        reading={"max_length": max_length},
        lengths=lengths.GLUE,
    )


if __name__ == "__main__":
    main()
