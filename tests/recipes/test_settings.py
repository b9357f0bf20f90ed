"""Numbers that no run can have are refused by name, before anything is loaded."""

import numpy as np
import pytest

from emmental.common.errors import InputError
from emmental.recipes import lengths
from emmental.recipes.plan import make_plan
from emmental.recipes.settings import BOUNDS, DEFAULTS, RunSettings, SentenceDataArguments, check_files


@pytest.mark.parametrize("name", BOUNDS)
def test_numbers_beyond_their_bounds(name):
    least, most = BOUNDS[name]
    for value in (least, most):
        RunSettings(**{name: value}, freeze_bert=name not in DEFAULTS, teacher_model_name_or_path="teacher").check()
    for value in (least - max(1, abs(least)), most + max(1, most), float("nan"), float("inf"), -float("inf")):
        with pytest.raises(InputError, match=f"^--{name} .*: a number from .* is needed$"):
            RunSettings(**{name: value}).check()


def test_the_bounds_are_numbers_of_float32():
    for bounds in BOUNDS.values():
        assert np.isfinite(np.array(bounds, dtype=np.float32)).all()


@pytest.mark.parametrize("name", DEFAULTS)
def test_rates_of_weights_that_stay_are_refused(name):
    with pytest.raises(InputError, match=f"--{name}: weights stay as they are"):
        RunSettings(**{name: 0.5}).check()
    RunSettings(**{name: 0.5}, pruning_method="finetune").check()


def test_the_defaults_are_within_them():
    RunSettings().check()


def test_fine_tuning_prunes_in_no_step():
    settings = RunSettings(pruning_method="finetune", num_train_epochs=3, per_device_train_batch_size=8)
    plan = make_plan(settings, examples=41, lengths=lengths.GLUE, processes=1)
    assert (plan.batch, plan.steps_per_epoch, plan.total_steps) == (8, 6, 18)
    assert (plan.pruning_steps, plan.ramp_steps) == (0, 0)


def test_two_files_of_one_kind_are_needed_to_train():
    def data(train, validation):
        return SentenceDataArguments(task_name="sst2", train_file=train, validation_file=validation)

    for alike in (("a.csv", "b.csv"), (None, None)):
        check_files(data(*alike))
    with pytest.raises(InputError, match=r"^a\.csv and b\.json are of different kinds"):
        check_files(data("a.csv", "b.json"))
    with pytest.raises(InputError, match="go together"):
        check_files(data("a.csv", None))
