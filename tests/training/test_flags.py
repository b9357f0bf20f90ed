"""Every flag of transformers' TrainingArguments: it is refused, or does here what it says. A flag that a new version of
transformers brings fails the first test until somebody decides which. What flags do is in the files beside this one.
"""

import re
from collections import Counter
from dataclasses import fields

import pytest
import torch

from emmental.scripts import squad
from emmental.training import refused
from emmental.training.config import BOUNDS, SMPConfig
from tests.helpers.flags import ASKED, ELSEWHERE, FLAGS, LEARNED, NOTED, OWN, SHOWN, TRACKERS, current_only
from tests.helpers.tiny import ROOT


@current_only
def test_every_flag_is_classified_once():
    classes = Counter([*OWN, *refused.REFUSED, *ELSEWHERE, *LEARNED, *NOTED, *SHOWN])
    assert set(classes.values()) == {1}, [name for name, count in classes.items() if count > 1]
    assert classes.keys() == FLAGS.keys()
    assert refused.CONDITIONS.keys() | BOUNDS.keys() <= classes.keys() - refused.REFUSED.keys()


def asked(name):
    """A value on the command line that is not the default."""
    field = next(field for field in fields(SMPConfig) if field.name == name)
    switch = field.type in (bool, "bool") or "bool" in str(field.type)
    return ASKED.get(name, str(not refused.default(field)) if switch else "x")


@pytest.mark.parametrize("name", [name for name in refused.REFUSED if name in FLAGS])
def test_refused(name, refusal):
    assert f"--{name}" in refusal(f"--{name}", asked(name))


def test_both_scripts_refuse(refusal):
    reason = refused.REFUSED["load_best_model_at_end"]
    assert refusal("--load_best_model_at_end", script=squad) == (
        f"error: --load_best_model_at_end is not taken here: {reason}\n"
    )


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_other_machines_can_do_is_refused_here_and_taken_there(name, monkeypatch, refusal):
    value, opened, variables = ELSEWHERE[name]
    if not torch.accelerator.is_available():
        assert f"error: --{name} {value}: {refused.CONDITIONS[name][1]}" in refusal(f"--{name}", str(value))
    config = SMPConfig.__new__(SMPConfig)  # as a parser fills it, before transformers sets up devices that are not here
    for field in fields(SMPConfig):
        setattr(config, field.name, refused.default(field))
    config.report_to = "trackio" if opened is TRACKERS else "none"
    setattr(config, name, value)
    for place, function in opened.items():
        monkeypatch.setattr(place, function)
    for variable, text in variables.items():
        monkeypatch.setenv(variable, text)
    refused.check_flags(config)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--optim lomo", "--optim lomo: takes adamw_torch_fused, adamw_torch, adafactor, sgd, adagrad, rmsprop"),
        ("--optim_args momentum=0.9", "--optim_args momentum=0.9: takes name=value by commas, and --optim sgd"),
        ("--optim sgd --optim_args momentum", "--optim_args momentum: takes name=value"),
        ("--optim sgd --optim_args speed=2", "--optim_args speed=2: sgd reads no speed there"),
        ("--optim sgd --optim_args weight_decay=2", "sgd reads no weight_decay there"),
        ("--optim sgd --optim_args momentum=x", "--optim sgd with --optim_args momentum=x: could not convert"),
        ("--optim sgd --optim_args nesterov=true", "Nesterov momentum requires a momentum"),
        ("--optim sgd --adam_beta1 0.5", "--adam_beta1 0.5: takes --optim adamw_torch_fused or adamw_torch"),
        ("--adam_beta2 1", "--adam_beta2 1.0: a number from 0 to 0.99999"),
        ("--lr_scheduler_type warmup_stable_decay", "missing 1 required positional argument: 'num_decay_steps'"),
        ("--lr_scheduler_type cosine_with_min_lr", "One of min_lr or min_lr_rate should be set"),
        ("--lr_scheduler_kwargs x", "--lr_scheduler_kwargs x: takes JSON such as"),
        ("--lr_scheduler_kwargs {x", "--lr_scheduler_kwargs {x: takes JSON such as"),
        ('--lr_scheduler_kwargs {"x":1}', "--lr_scheduler_type linear with --lr_scheduler_kwargs {'x': 1}: "),
        ('--lr_scheduler_type constant --lr_scheduler_kwargs {"x":1}', "takes JSON such as"),
        ("--lr_scheduler_type constant --warmup_steps 3", "--warmup_steps 3.0: takes an --lr_scheduler_type"),
        ("--lr_scheduler_type greedy --eval_strategy no", "requires an eval strategy"),
        ("--label_smoothing_factor 1.5", "--label_smoothing_factor 1.5: a number from 0 to 1"),
        ("--report_to nowhere", "--report_to nowhere: takes none, all, or a tracker whose package is installed"),
        ("--report_to wandb", "--report_to wandb: takes none"),
        ("--save_strategy best", "--save_strategy best: takes no, steps or epoch"),
        ("--train_sampling_strategy batch_rebalance", "invalid choice: 'batch_rebalance'"),
        ("--eval_delay 2 --eval_strategy no", "--eval_delay 2.0: takes --eval_strategy steps or epoch"),
        ("--eval_accumulation_steps 0", "--eval_accumulation_steps 0: a number from 1"),
        ("--data_seed -1", "--data_seed -1: a number from 0"),
        ("--save_steps 0", "--save_steps 0.0: a number from 1e-12"),
        ("--dataloader_prefetch_factor 2", "--dataloader_prefetch_factor 2: takes --dataloader_num_workers above 0"),
        ("--dataloader_multiprocessing_context fork", "takes --dataloader_num_workers above 0"),
        ("--torch_compile_backend tvm", "--torch_compile_backend tvm: takes inductor, aot_eager, eager"),
        ("--torch_compile_mode fast", "--torch_compile_mode fast: takes default"),
        ("--torch_compile_mode default --torch_compile_backend eager", "; and inductor"),
        ("--ddp_backend gloo", "--ddp_backend gloo: takes several processes"),
        ("--ddp_static_graph true", "--ddp_static_graph True: takes several processes"),
        ("--ddp_bucket_cap_mb 2", "--ddp_bucket_cap_mb 2: takes several processes"),
        ("--ddp_broadcast_buffers true", "--ddp_broadcast_buffers True: takes several processes"),
        ("--ddp_find_unused_parameters true", "--ddp_find_unused_parameters True: takes several processes"),
        ("--log_level_replica error", "--log_level_replica error: takes several processes"),
    ],
)  # fmt: skip
def test_refused_beside_others_or_for_its_value(flags, message, refusal):
    assert message in refusal(*flags.split())


def test_compilation_takes_a_compiler(monkeypatch, refusal):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "--torch_compile True: needs a C++ compiler" in refusal("--torch_compile")
    SMPConfig(torch_compile_backend="eager", torch_compile=True)


def test_the_page_has_the_tables_of_the_code():
    """docs/guide/flags.md: a row is for flags of one reason."""
    page = (ROOT / "docs" / "guide" / "flags.md").read_text()
    rows = re.findall(r"^\| (`.*`) \| (.*) \|$", page, re.MULTILINE)
    shown = [(name.strip("`"), reason) for names, reason in rows for name in names.split(", ")]
    told = refused.REFUSED | {name: words for name, (_, words) in refused.CONDITIONS.items()}
    assert dict(shown) == told
    assert len(shown) == len(told)
