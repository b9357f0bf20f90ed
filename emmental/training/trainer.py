"""SMPTrainer: training with masks. Once per optimiser step the schedule gives a density and the pruning method sets
every layer's mask, which all micro-batches and evaluations share until the next step.

Builds on public hooks and callbacks only; knows no task.
"""

import contextlib

import torch
from transformers import TrainerCallback

from emmental.pruning.at_once import joined
from emmental.pruning.masked_linear import density, masked_layers
from emmental.pruning.regulariser import add_regulariser
from emmental.pruning.schedule import Schedule
from emmental.training.finite import FiniteLosses
from emmental.training.refused import ADAM
from emmental.training.task_trainer import TaskTrainer


class SMPTrainer(TaskTrainer):
    """Trains what the model's parameters let it: mask scores, and for some methods weights. The model holds
    MaskedLinear layers: a LabelWordModel, or one of transformers' own."""

    def __init__(self, model, args, schedule: Schedule, **kwargs):
        super().__init__(model, args, **kwargs)
        self.schedule = schedule
        self.masked_layers = masked_layers(getattr(model, "backbone", model))  # names as in the checkpoint
        self.selection = args.selection()
        self.finite = FiniteLosses(args.output_dir)
        self.add_callback(MaskSelection(self))
        if args.optim in ADAM:
            self.add_callback(UncorrectedEpsilon(args.adam_epsilon, args.adam_beta2))

    def train(self, *arguments, **settings):
        """Trainer's, over masked weights that the layers make together where that pays."""
        anew = self.args.gradient_checkpointing or any(
            getattr(module, "gradient_checkpointing", False) for module in self.model.modules()
        )
        with joined(self.masked_layers, by_block=anew or self.args.world_size > 1):
            return super().train(*arguments, **settings)

    def select_masks(self, density: float | None = None) -> None:
        """Set every layer's mask anew, by default for the current step's density."""
        if density is not None:
            self.finite.settle()  # what is selected out of turn is kept
        step = self.state.global_step
        self.selection.select(self.masked_layers, self.schedule.density(step) if density is None else density, step)

    def scores(self) -> list[torch.Tensor]:
        """The matrices of mask scores, in the model's order; none for a method without."""
        return [layer.mask_scores for layer in self.masked_layers.values() if layer.mask_scores is not None]

    def create_optimizer(self, model=None):
        """The configured optimiser, fused AdamW by default. Scores have their learning rate and no weight decay, norms
        and biases beside a mask theirs; where all weights are trained, matrices decay by --weight_decay."""
        if self.optimizer is None:
            optimizer_class, settings = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            scores = self.scores()
            groups = [{"params": scores, "lr": self.args.mask_scores_learning_rate, "weight_decay": 0.0}]
            trained = {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}
            known = {id(matrix) for matrix in scores}
            rate = self.args.norms_learning_rate if self.args.freeze_bert else self.args.learning_rate
            decaying = set(self.get_decay_parameter_names(self.model))
            for decay, names in ((self.args.weight_decay, trained.keys() & decaying), (0.0, trained.keys() - decaying)):
                weights = [weight for name, weight in trained.items() if name in names and id(weight) not in known]
                groups.append({"params": weights, "lr": rate, "weight_decay": decay})
            groups = [group for group in groups if group["params"]]
            # schedules with a least rate divide it by the optimiser's: it is that of the scores, where there are any
            self.optimizer = optimizer_class(groups, **settings | {"lr": groups[0]["lr"]})
        return self.optimizer

    def training_step(self, model, inputs, num_items_in_batch=None):
        """Trainer's, and at the last micro-batch of a step lambda(t) times the score regulariser with its gradient."""
        loss = super().training_step(model, inputs, num_items_in_batch)
        if self.schedule.final_lambda and self.accelerator.sync_gradients:
            weight = self.schedule.regulariser_weight(self.state.global_step)
            scaler = self.accelerator.scaler
            scale = scaler.get_scale() if scaler else 1.0
            regulariser = add_regulariser(self.scores(), weight, scale, self.selection.shift)
            self.last_losses["regulariser"] = regulariser
            loss = loss + weight * regulariser
        return loss

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The task's loss; training stops where it is not finite."""
        loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        if model.training:
            self.finite.watch(loss, self.state.global_step + 1)
        return (loss, outputs) if return_outputs else loss

    def save_model(self, *arguments, **settings):
        """Trainer's, the first thing that a checkpoint writes: none is begun after a loss that is not finite."""
        self.finite.settle()
        super().save_model(*arguments, **settings)

    def evaluate(self, *arguments, **settings):
        """TaskTrainer's evaluation, of the masks that count."""
        self.finite.settle()  # what is best is kept
        with self.settled():
            return super().evaluate(*arguments, **settings)

    @contextlib.contextmanager
    def settled(self):
        """While it is open, masks that are noisy in training are without noise."""
        if self.selection.noisy:
            self.selection.settle(self.masked_layers)
        yield
        if self.selection.noisy:
            self.select_masks()

    def density(self) -> float:
        """The share of weights that remains now: as scheduled, or, where lambda decides, as measured."""
        if self.schedule.lambda_decides:
            return density(self.masked_layers)
        return self.schedule.density(self.state.global_step)

    def log(self, logs, start_time=None):
        """The log entries with what pruning adds: density and lambda; at evaluations the density of each matrix."""
        if "loss" in logs:
            weight = self.schedule.regulariser_weight(self.state.global_step)
            logs |= {"density": self.density(), "lambda": weight}
        if "eval_loss" in logs and self.is_in_train:
            kept = {f"density/{name}": layer.kept() / layer.mask.numel() for name, layer in self.masked_layers.items()}
            logs = logs | {"density": density(self.masked_layers)} | kept
        super().log(logs, start_time)


class MaskSelection(TrainerCallback):
    """Selects masks when training starts or resumes, and after every optimiser step; at the end no loss is unseen."""

    def __init__(self, trainer: SMPTrainer):
        self.trainer = trainer

    def on_train_begin(self, args, state, control, **kwargs):
        self.trainer.select_masks()

    def on_step_end(self, args, state, control, **kwargs):
        self.trainer.select_masks()

    def on_train_end(self, args, state, control, **kwargs):
        self.trainer.finite.settle()


class UncorrectedEpsilon(TrainerCallback):
    """Adam as the published runs had it: epsilon without bias correction, i.e. eps / sqrt(1 - beta2^t) in torch's."""

    def __init__(self, epsilon: float, beta2: float):
        self.epsilon, self.beta2 = epsilon, beta2

    def on_pre_optimizer_step(self, args, state, control, optimizer, **kwargs):
        for group in optimizer.param_groups:
            group["eps"] = self.epsilon / (1 - self.beta2 ** (state.global_step + 1)) ** 0.5
