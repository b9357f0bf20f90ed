"""Whether optimiser and learning rate can be made as the flags ask for: tried before anything is written."""

import torch
from transformers import Trainer, get_scheduler

from emmental.common.errors import InputError


def check_learning(config, steps: int) -> None:
    """Raise InputError where optimiser or learning rate cannot be made for that many steps. Tried on one number."""
    optimizer = _made_optimizer(config)
    name, given = config.lr_scheduler_type.value, config.lr_scheduler_kwargs
    try:
        schedule = get_scheduler(name, optimizer, config.get_warmup_steps(steps), steps, given)
        for rate in getattr(schedule, "lr_lambdas", ()):  # those that follow an evaluation have none
            for step in range(0, steps + 1, -(-steps // 100)):
                rate(step)
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise InputError(f"--lr_scheduler_type {name} with --lr_scheduler_kwargs {given}: {error}") from None


def _made_optimizer(config) -> torch.optim.Optimizer:
    name, asked = config.optim.value, config.optim_args
    rate = config.mask_scores_learning_rate if config.method.learns_scores else config.learning_rate
    try:
        optimizer_class, settings = Trainer.get_optimizer_cls_and_kwargs(config)
        optimizer = optimizer_class([torch.nn.Parameter(torch.zeros(1))], **settings | {"lr": rate})
    except (TypeError, ValueError) as error:
        raise InputError(f"--optim {name} with --optim_args {asked}: {error}") from None
    known = settings.keys() - {"lr", "weight_decay"}  # which have flags of their own
    unread = {word.split("=")[0].strip() for word in asked.split(",")} - known if asked else ()
    if unread:
        raise InputError(f"--optim_args {asked}: {name} reads no {', '.join(sorted(unread))} there")
    return optimizer
