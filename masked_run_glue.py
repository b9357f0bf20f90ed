"""Train a mask for a sentence task over a frozen pretrained encoder.

    python masked_run_glue.py --task_name sst2 --data_dir GLUE/SST-2 --final_threshold 0.1 --output_dir models/sst2
    python masked_run_glue.py --help

run.sh calls this with the published recipes: bash run.sh sst2_0.10_mag
"""

import datasets
from transformers import HfArgumentParser

from emmental import evaluation
from emmental.arguments import BackboneArguments, SentenceDataArguments, SMPConfig, parse_label_map
from emmental.backbones import load_backbone
from emmental.errors import exit_on_input_error
from emmental.heads import SequenceClassifier
from emmental.schedule import pruning_length
from emmental.tasks import glue
from emmental.training import Problem, prune


def main() -> None:
    """Parse the flags; train, or score a mask."""
    base, data, config = HfArgumentParser(
        (BackboneArguments, SentenceDataArguments, SMPConfig), description=__doc__.splitlines()[0]
    ).parse_args_into_dataclasses()
    datasets.disable_progress_bars()
    with exit_on_input_error():
        config.check()
        if data.use_mask_pt:
            score(base, data)
        else:
            train(base, data, config)


def train(base: BackboneArguments, data: SentenceDataArguments, config: SMPConfig) -> None:
    """Prune the backbone for the task."""
    task = glue.TASKS[data.task_name]
    if data.label_map:
        task = glue.with_words(task, parse_label_map(data.label_map))
    source = glue.Source(data.data_dir, data.train_file, data.validation_file)
    source.check()
    with config.main_process_first(desc="downloads"):
        examples, validation = glue.load_train(task, source), glue.load_validation(task, source)
        backbone = load_backbone(base.model_name_or_path, base.model_revision, base.cache_dir)
    prune(config, backbone, as_problem(task, examples, validation, backbone.tokenizer, data.max_seq_length))


def score(base: BackboneArguments, data: SentenceDataArguments) -> None:
    """Print the table of a mask's figures on the validation set."""
    subject = evaluation.find(data.use_mask_pt)
    mask = evaluation.read_subject(subject, base.model_name_or_path, data.task_name)
    source = glue.Source(data.data_dir, None, data.validation_file)
    measured = evaluation.score(mask, source, base.model_name_or_path, data.max_seq_length)
    print(evaluation.show(subject, mask, measured))


def as_problem(task: glue.SentenceTask, examples, validation: dict, tokenizer, max_length: int) -> Problem:
    """The sentence task's examples as features for this tokenizer."""
    return Problem(
        task=task.name,
        label_words=task.words,
        model=SequenceClassifier,
        train=glue.tokenized(examples, tokenizer, max_length),
        validation={name: glue.tokenized(split, tokenizer, max_length) for name, split in validation.items()},
        compute_metrics=glue.compute_metrics(task),
        metrics=task.metrics,
        baseline=glue.majority_baseline(task, validation[""]),
        max_length=max_length,
        pruning_length=pruning_length,
    )


if __name__ == "__main__":
    main()
