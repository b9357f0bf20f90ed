"""Train a mask that answers questions from a text (SQuAD) over a frozen pretrained encoder.

python -m emmental.scripts.squad --help       # masked_run_squad.py in a clone
"""

from dataclasses import asdict

import datasets

from emmental.common.errors import InputError, exit_on_input_error
from emmental.inference import scoring, subjects
from emmental.recipes import lengths
from emmental.recipes.settings import BackboneArguments, SpanDataArguments, check_files
from emmental.scripts.arguments import parse
from emmental.tasks import squad
from emmental.tasks.label_map import parse_label_map
from emmental.tasks.problem import Problem
from emmental.tasks.source import Source
from emmental.training.config import SMPConfig
from emmental.training.run import run


def main() -> None:
    """Parse the flags; train, or score a mask."""
    datasets.disable_progress_bars()
    with exit_on_input_error():
        kinds = BackboneArguments, SpanDataArguments, SMPConfig
        base, data, config = parse(kinds, __doc__.splitlines()[0], num_train_epochs=10, per_device_train_batch_size=32)
        config.check()
        if config.do_predict:
            raise InputError("--do_predict is for GLUE's test sets: a run on SQuAD leaves predictions.json by itself")
        if data.use_mask_pt:
            score(base, data)
        else:
            train(base, data, config)


def train(base: BackboneArguments, data: SpanDataArguments, config: SMPConfig) -> None:
    """Train by the configured method."""
    task, source = squad.TASKS[task_name(data)], Source(data.data_dir, data.train_file, data.validation_file)
    check_files(data)
    with config.main_process_first(desc="downloads"):
        examples = [squad.load(task, source, split, data.skip_misplaced_answers) for split in ("train", "validation")]
    words = squad.with_words(parse_label_map(data.label_map)) if data.label_map else squad.WORDS
    run(config, base, lambda tokenizer: as_problem(task, words, *examples, tokenizer, reading(data)))


def score(base: BackboneArguments, data: SpanDataArguments) -> None:
    """Print the table of a mask's figures on the validation set."""
    subject = subjects.find(data.use_mask_pt)
    mask = subjects.read_subject(subject, base.model_name_or_path, task_name(data))
    if mask.info.task not in squad.TASKS:
        raise InputError(f"{subject.path} is a mask for {mask.info.task}: score it with masked_run_glue.py")
    source = Source(data.data_dir, None, data.validation_file)
    measured = scoring.score(mask, source, base.model_name_or_path, asdict(reading(data)))
    print(scoring.show(subject, mask, measured))


def as_problem(task: squad.SpanTask, words: dict, examples, validation, tokenizer, how: squad.Reading) -> Problem:
    """The questions as windows for this tokenizer."""
    questions = squad.Questions(task, validation, tokenizer, how)
    return Problem(
        task=task.name,
        kind=task.kind,
        label_words=words,
        label_names=squad.LABELS,
        unit="windows",
        train=squad.train_inputs(examples, tokenizer, how),
        validation={"": questions.inputs()},
        compute_metrics=questions.compute_metrics,
        metrics=squad.METRICS,
        baseline=None,
        reading=asdict(how),
        lengths=lengths.SQUAD,
        write_answers=questions.write_answers,
        examine=questions.examine,
    )


def task_name(data: SpanDataArguments) -> str:
    """squad or squad_v2."""
    return "squad_v2" if data.version_2_with_negative else "squad"


def reading(data: SpanDataArguments) -> squad.Reading:
    """How windows are cut and answers chosen, by the flags."""
    return squad.Reading(
        data.max_seq_length, data.doc_stride, data.n_best_size, data.max_answer_length, data.null_score_diff_threshold
    )


if __name__ == "__main__":
    main()
