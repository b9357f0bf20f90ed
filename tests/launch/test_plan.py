"""A dry run says what the script does and refuses what it refuses: both computed for random command lines."""

import dataclasses
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import HfArgumentParser

from emmental.common.errors import InputError
from emmental.launch import plan
from emmental.launch.flags import Flags, read_flags
from emmental.launch.jobs import find_job, launch, with_variables
from emmental.recipes.methods import FLAGS, METHODS
from emmental.recipes.plan import make_plan
from emmental.recipes.settings import (
    BackboneArguments,
    RunSettings,
    SentenceDataArguments,
    SpanDataArguments,
    check_files,
)
from emmental.recipes.table import CUSTOM, RECIPES
from emmental.training.config import SMPConfig
from tests.helpers.tiny import ROOT

SOME_FLAGS = [
    ("--freeze_bert", "False"), ("--freeze_bert", "0"), ("--freeze-bert=y",), ("--no_freeze_bert",),
    *(("--pruning_method", flag) for flag in FLAGS),
    ("--max_steps", "800"), ("--max-steps=1",), ("--max_steps", "40000"),
    ("--eval_strategy", "epoch"), ("--eval_steps", "0.5"), ("--eval_steps", "7"),
    ("--gradient_accumulation_steps", "3"), ("--dataloader_drop_last",), ("--dataloader_drop_last", "no"),
    ("--warmup_threshold_step", "100"), ("--learning_rate", "1e-4"), ("--warmup_steps", "20"),
    ("--initial_threshold", "0.5"), ("--final_threshold", "0.04"), ("--final_threshold", "1.5"),
    ("--global_topk",), ("--global_topk", "f"), ("--magnitude_topk_threshold",), ("--magnitude_topk_threshold_p", "0"),
    ("--regularization", "l0"), ("--final_lambda", "0"), ("--final_lambda", "-1"), ("--snapshot_densities", "0.9"),
    ("--density_schedule", "linear"), ("--mask_init", "magnitude"), ("--seed", "7"), ("--bf16",),
    ("--train_file", "a.csv"), ("--train_file", "a.csv", "--validation_file", "b.csv"),
]  # fmt: skip
VARIABLES = {
    "EPOCHS": ["0.01", "3"], "BATCH_SIZE": ["8", "0"], "LR": ["1e-3"], "LAMBDA": ["50"],
    "PRUNING_STEPS": ["90", "0", "0.5"],
    "NPROC": ["2"], "SEED": ["3"], "WEIGHT_LR": ["1e-4"], "MAX_LENGTH": ["64"], "TEACHER": ["t"],
}  # fmt: skip


@st.composite
def jobs(draw):
    """A job as a launcher makes it of a random tag, variables and flags."""
    task = draw(st.sampled_from([task for task in RECIPES if task != CUSTOM]))  # whose examples are counted
    options = [draw(st.sampled_from(["", option])) for option in ("_roberta", "_kd", "_mag")]
    tag = f"{task}_{draw(st.sampled_from(['0.80', '0.70', '0.50', '0.10', '0.03']))}{''.join(options)}"
    launcher = "run_squad.sh" if task == "squad" else "run.sh"
    method = draw(st.sampled_from(["smp", "smp", *METHODS]))
    names = draw(st.sets(st.sampled_from(list(VARIABLES)), max_size=3))
    variables = {name: draw(st.sampled_from(VARIABLES[name])) for name in sorted(names)}
    flags = draw(st.lists(st.sampled_from(SOME_FLAGS), max_size=3))
    job = with_variables(find_job(launcher, tag, method), variables)
    return dataclasses.replace(job, rest=tuple(word for words in flags for word in words))


def of_the_script(words, task, processes):
    """What the Python script parses, and plans for the published number of examples."""
    data = SpanDataArguments if task == "squad" else SentenceDataArguments
    parser = HfArgumentParser((BackboneArguments, data, SMPConfig), allow_abbrev=False)
    read = Flags(*parser.parse_args_into_dataclasses(words))
    check_files(read.data)
    return read, make_plan(read.settings, RECIPES[task].examples, RECIPES[task].lengths, processes)


def told(function, *arguments):
    """What it returns, or the message of the InputError that it raises."""
    try:
        return function(*arguments)
    except InputError as error:
        return str(error)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_plan_is_what_the_script_computes(data):
    job = told(data.draw, jobs())
    if isinstance(job, str):  # the launcher refuses the tag with this method
        return
    asked = read_flags(job.words(), job.task == "squad")
    theirs = told(of_the_script, job.words(), job.task, job.processes)
    ours = told(plan.plan_of, job.task, asked, job.processes)
    if isinstance(theirs, str):
        assert ours == theirs
        return
    parsed, planned = theirs
    assert ours == planned
    for kind, other in zip(asked, parsed, strict=True):
        for field in dataclasses.fields(kind):
            assert getattr(kind, field.name) == getattr(other, field.name), field.name


def test_weights_that_are_trained_have_the_script_s_learning_rate(capsys):
    launch("run.sh", ["mnli_0.10", "--freeze_bert", "False", "--dry_run"], {})
    shown = capsys.readouterr().out
    assert "  method         movement\n" in shown
    assert "  learning rate  5e-05, warm-up 0 %, weight decay 0\n" in shown
    launch("run.sh", ["mnli_0.10", "--freeze_bert", "0", "--dry_run"], {})
    assert capsys.readouterr().out.replace("--freeze_bert 0", "--freeze_bert False") == shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mnli_0.10", "--pruning_method", "l0"], "over a frozen backbone: its gates are no mask of ones and zeros"),
        (["mnli_0.10", "--frobnicate", "3"], "there is no flag --frobnicate"),
        (["mnli_0.10", "--logging_step", "3"], "there is no flag --logging_step: is --logging_steps meant?"),
        (["mnli_0.10", "--freeze_bert", "perhaps"], "'perhaps' is neither true nor false"),
        (["mnli_0.10", "--mask_init", "ones"], "invalid choice: 'ones'"),
        (["mnli_0.10", "--max_steps", "1"], "1 training steps leave no room for pruning"),
    ],
)
@pytest.mark.parametrize("dry", [["--dry_run"], []])
def test_what_the_script_refuses_is_refused_before_it_starts(words, message, dry):
    with pytest.raises(InputError) as raised:
        launch("run.sh", [*words, *dry], {})
    assert message in str(raised.value)


def test_every_flag_of_transformers_is_known():
    for field in dataclasses.fields(SMPConfig):
        if field.init and field.name not in BackboneArguments.__dataclass_fields__ | RunSettings.__dataclass_fields__:
            read_flags([f"--{field.name}", "1"], spans=False)


def test_nothing_heavy_is_loaded():
    code = (
        "import sys; from emmental.launch import jobs; jobs.launch('run.sh', ['mnli_0.03_kd_mag', '--dry_run'], {}); "
        "assert not {'torch', 'transformers', 'numpy', 'pandas'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0
