"""SMPTrainer: training with masks. Once per optimiser step the schedule gives a density, the allocation one per matrix,
and every layer selects its mask, which all micro-batches and evaluations share until the next step.

Builds on public hooks and callbacks only; knows no task.
"""

import torch
from transformers import TrainerCallback

from emmental import allocation, layers, ranking
from emmental.errors import InputError
from emmental.losses import add_regulariser
from emmental.masking import kept_weights
from emmental.schedule import Schedule
from emmental.task_trainer import TaskTrainer
from emmental.threads import each


class SMPTrainer(TaskTrainer):
    """Trains mask scores. The model is a LabelWordModel whose backbone holds MaskedLinear layers."""

    loss_is_scaled_for_ga = False  # ours is a mean per micro-batch plus a regulariser: Trainer must divide it

    def __init__(self, model, args, schedule: Schedule, **kwargs):
        super().__init__(model, args, **kwargs)
        self.schedule = schedule
        self.masked_layers = layers.masked_layers(model.backbone)  # names as in the checkpoint
        self.add_callback(MaskSelection(self))
        self.add_callback(UncorrectedEpsilon(args.adam_epsilon, args.adam_beta2))

    def select_masks(self, density: float | None = None) -> None:
        """Recompute every layer's mask from its scores, by default for the current step's density."""
        if density is None:
            density = self.schedule.density(self.state.global_step)
        scores = {name: layer.mask_scores for name, layer in self.masked_layers.items()}
        if self.args.allocation == "global":
            kept = kept_weights(density, sum(matrix.numel() for matrix in scores.values()))
            masks = ranking.select_together([*scores.values()], kept)
            for layer, mask in zip(self.masked_layers.values(), masks, strict=True):
                layer.mask = mask
            return
        if self.args.allocation == "soft":
            p = self.args.magnitude_topk_threshold_p
            densities = allocation.soft(scores, density, p, layers.matrix_type)
        else:
            densities = allocation.local(scores, density)
        each(lambda name: self.masked_layers[name].select(densities[name]), densities)

    def create_optimizer(self, model=None):
        """The configured optimiser (fused AdamW) over the mask scores alone, without weight decay."""
        if self.optimizer is None:
            optimizer_class, settings = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            scores = [layer.mask_scores for layer in self.masked_layers.values()]
            settings |= {"lr": self.args.mask_scores_learning_rate, "weight_decay": 0.0}
            self.optimizer = optimizer_class(scores, **settings)
        return self.optimizer

    def training_step(self, model, inputs, num_items_in_batch=None):
        """Trainer's, and at the last micro-batch of a step lambda(t) times the score regulariser with its gradient."""
        loss = super().training_step(model, inputs, num_items_in_batch)
        if self.schedule.final_lambda and self.accelerator.sync_gradients:
            scores = [layer.mask_scores for layer in self.masked_layers.values()]
            weight = self.schedule.regulariser_weight(self.state.global_step)
            scaler = self.accelerator.scaler
            regulariser = add_regulariser(scores, weight, scaler.get_scale() if scaler else 1.0)
            self.last_losses["regulariser"] = regulariser
            loss = loss + weight * regulariser
        return loss

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The task's loss; training stops where it is not finite."""
        loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        if model.training and not torch.isfinite(loss):
            raise InputError(
                f"the loss is {loss.item()} at step {self.state.global_step + 1}: training stops here. The last "
                f"checkpoint in {self.args.output_dir} is kept; try a lower --mask_scores_learning_rate"
            )
        return (loss, outputs) if return_outputs else loss

    def log(self, logs, start_time=None):
        """The log entries with what pruning adds: density and lambda; at evaluations the density of each matrix."""
        step = self.state.global_step
        if "loss" in logs:
            logs |= {"density": self.schedule.density(step), "lambda": self.schedule.regulariser_weight(step)}
        if "eval_loss" in logs and self.is_in_train:
            kept = {f"density/{name}": layer.mask.float().mean().item() for name, layer in self.masked_layers.items()}
            logs = logs | {"density": layers.density(self.masked_layers)} | kept
        super().log(logs, start_time)


class MaskSelection(TrainerCallback):
    """Selects masks when training starts or resumes, and after every optimiser step."""

    def __init__(self, trainer: SMPTrainer):
        self.trainer = trainer

    def on_train_begin(self, args, state, control, **kwargs):
        self.trainer.select_masks()

    def on_step_end(self, args, state, control, **kwargs):
        self.trainer.select_masks()


class UncorrectedEpsilon(TrainerCallback):
    """Adam as the published runs had it: epsilon without bias correction, i.e. eps / sqrt(1 - beta2^t) in torch's."""

    def __init__(self, epsilon: float, beta2: float):
        self.epsilon, self.beta2 = epsilon, beta2

    def on_pre_optimizer_step(self, args, state, control, optimizer, **kwargs):
        for group in optimizer.param_groups:
            group["eps"] = self.epsilon / (1 - self.beta2 ** (state.global_step + 1)) ** 0.5
