"""transformers' Trainer for our tasks, whatever it trains: the order of examples, teachers, several validation sets,
and on several processes each example counted once.

Builds on public hooks only; knows no task and no mask.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import Trainer

from emmental.common.memory import keep_freed_memory
from emmental.models.layers import blocks, recorded
from emmental.models.losses import layer_loss
from emmental.tasks.batches import lengths
from emmental.training.attention import by_products
from emmental.training.live_teacher import LiveTeacher
from emmental.training.processes import last_batches
from emmental.training.sampler import OrderByEpoch, SimilarLengths
from emmental.training.stored_teacher import StoredTeacher
from emmental.training.teacher_logits import TeacherLogits


class TaskTrainer(Trainer):
    """Trainer with more than one validation set, a repeatable order of examples, and rows that are numbered.

    more_eval_datasets: validation sets beside eval_dataset by name; their metrics are prefixed ``eval_<name>_``. A
    column ``row`` of a data set says which of its rows a batch holds; no model gets it. teacher: logits to distil from,
    by the training set's ``row``, or a live or stored one, whose layers are learned from, too; distillation: the loss
    towards its logits, see the heads'. uniform: the loss towards all answers alike, see the heads', for
    --label_smoothing_factor.
    """

    loss_is_scaled_for_ga = False  # losses here are means per micro-batch: Trainer must divide them

    def __init__(
        self,
        model,
        args,
        teacher: TeacherLogits | LiveTeacher | StoredTeacher | None = None,
        distillation: Callable[..., torch.Tensor] | None = None,
        uniform: Callable[..., torch.Tensor] | None = None,
        more_eval_datasets: dict | None = None,
        **kwargs,
    ):
        keep_freed_memory()
        self.smoothing, args.label_smoothing_factor = args.label_smoothing_factor, 0.0  # Trainer knows no spans
        super().__init__(model, args, **kwargs)
        args.label_smoothing_factor = self.smoothing
        self.model_accepts_loss_kwargs = False  # nor do transformers' models divide theirs by what the step holds
        self.teacher, self.distillation, self.uniform = teacher, distillation, uniform
        self.learning_layers = blocks(model) if args.alpha_hidden else []
        self.more_eval_datasets = more_eval_datasets or {}
        self.last_losses: dict[str, torch.Tensor] = {}
        self.answered_rows: list[torch.Tensor] | None = None  # while ``predict`` is at work

    def get_train_dataloader(self):
        """Trainer's batches, those of similar length in an order of our own; see sampler.SimilarLengths."""
        args = self.args
        if args.train_sampling_strategy != "group_by_length":
            return super().get_train_dataloader()
        block = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        sampler = SimilarLengths(
            lengths(self.train_dataset), block, args.seed if args.data_seed is None else args.data_seed
        )
        self.add_callback(OrderByEpoch(sampler))
        loader = DataLoader(
            self.train_dataset,
            batch_size=args.train_batch_size,
            sampler=sampler,
            collate_fn=self.data_collator,
            drop_last=args.dataloader_drop_last,
            num_workers=args.dataloader_num_workers,
            pin_memory=args.dataloader_pin_memory,
            multiprocessing_context=args.dataloader_multiprocessing_context,
            prefetch_factor=args.dataloader_prefetch_factor,
        )
        return self.accelerator.prepare(loader)

    def training_step(self, model, inputs, num_items_in_batch=None):
        """Trainer's, with the attention that is fastest here."""
        encoder = getattr(self.model, "backbone", self.model)
        with by_products(encoder, inputs["input_ids"].shape[1], self.args.bf16):
            return super().training_step(model, inputs, num_items_in_batch)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The task's own loss, in training towards smoothed labels where that is asked for, and with distillation where
        there is a teacher, of its logits and maybe of its layers."""
        new, everywhere = self.new_examples(model.training)
        inputs = dict(inputs)
        rows = inputs.pop("row", None)
        if self.answered_rows is not None:
            self.answered_rows.append(self.accelerator.gather_for_metrics(rows))
        counted = first(inputs, new)
        with recorded(self.learning_layers if model.training else []) as layers:
            loss, outputs = super().compute_loss(model, counted if model.training else inputs, True, num_items_in_batch)
        if model.training:
            if self.smoothing:
                loss = (1 - self.smoothing) * loss + self.smoothing * self.uniform(outputs, counted)
            share = new * self.args.world_size / everywhere  # mean over processes -> mean over examples
            self.last_losses = {"task_loss": share * loss.detach()}
            if self.teacher:
                with self.accelerator.autocast():
                    taught = self.teacher.batch(rows[: len(counted["input_ids"])], counted)
                distillation = self.distillation(outputs, taught, counted, self.args.temperature)
                self.last_losses["distillation"] = share * distillation.detach()
                loss = self.args.alpha_ce * loss + self.args.alpha_distil * distillation
                if layers:
                    distance = layer_loss(layers, taught["layers"], counted.get("attention_mask"))
                    self.last_losses["layers"] = share * distance.detach()
                    loss = loss + self.args.alpha_hidden * distance
            loss = share * loss
        elif new < len(inputs["input_ids"]):
            loss = super().compute_loss(model, counted)
        return (loss, outputs) if return_outputs else loss

    def new_examples(self, training: bool) -> tuple[int, int]:
        """How many examples of the batch are not there to fill it up: on this process and on all; see processes.py."""
        args, state = self.args, self.accelerator.gradient_state
        batch = args.train_batch_size if training else args.eval_batch_size
        last = state.end_of_dataloader and self.accelerator.sync_gradients
        if not last or args.dataloader_drop_last:
            return batch, batch * args.world_size
        examples = len(state.active_dataloader.dataset)
        return last_batches(examples, batch, args.world_size, args.process_index)

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        """Trainer's evaluation, and that of the further validation sets where no data set is named.

        Draws nothing from the random generator: how often one looks does not change the run. It is the CPU's that the
        loaders draw from; a device's is not drawn from without dropout.
        """
        with torch.random.fork_rng(devices=[]):
            metrics = super().evaluate(eval_dataset, ignore_keys, metric_key_prefix)
            if eval_dataset is None:
                for name, dataset in self.more_eval_datasets.items():
                    metrics |= super().evaluate(dataset, ignore_keys, f"{metric_key_prefix}_{name}")
        return metrics

    def predict(self, test_dataset, ignore_keys=None, metric_key_prefix="test"):
        """Trainer's prediction, in the order of the data set: batches of similar length come in another one."""
        if "row" not in test_dataset.column_names:
            test_dataset = test_dataset.add_column("row", np.arange(len(test_dataset)))
        self.answered_rows = []
        prediction = super().predict(test_dataset, ignore_keys, metric_key_prefix)
        order = torch.cat(self.answered_rows).argsort().numpy(force=True)
        self.answered_rows = None
        predictions, label_ids = (in_order(part, order) for part in (prediction.predictions, prediction.label_ids))
        return prediction._replace(predictions=predictions, label_ids=label_ids)

    def log(self, logs, start_time=None):
        """Trainer's log entries, with the losses apart."""
        if "loss" in logs:
            means = self.accelerator.reduce(self.last_losses, reduction="mean")
            logs |= {name: value.item() for name, value in means.items()}
        super().log(logs, start_time)


def in_order(arrays: np.ndarray | tuple[np.ndarray, ...], order: np.ndarray) -> np.ndarray | tuple[np.ndarray, ...]:
    """An array, or several of them, with the rows in this order."""
    return tuple(array[order] for array in arrays) if isinstance(arrays, tuple) else arrays[order]


def first(inputs: dict[str, torch.Tensor], count: int) -> dict[str, torch.Tensor]:
    """The batch's first examples; one where count is 0, because a model wants something to look at."""
    return {name: values[: max(count, 1)] for name, values in inputs.items()}
