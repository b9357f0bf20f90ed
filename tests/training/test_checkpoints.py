"""The output folder: which checkpoint counts, which evaluation is the best, what is refused, what is removed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from emmental.common.errors import InputError
from emmental.common.run_folder import ASIDE, BEST, LOCK, RESULTS, SEAL, SETTINGS
from emmental.pruning.schedule import Schedule
from emmental.training import checkpoints, seals


def checkpoint(folder, step, sealed=True, best=None):
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "optimizer.pt").write_text("moments")
    if best:
        (path / BEST).write_text(best)
    if sealed:
        seals.seal(path)
    return path


def test_the_newest_whole_checkpoint_counts(tmp_path):
    assert checkpoints.last_whole(tmp_path) is None
    checkpoint(tmp_path, 9)
    newest = checkpoint(tmp_path, 10)
    checkpoint(tmp_path, 11, sealed=False)  # killed while it was written
    assert checkpoints.last_whole(tmp_path) == newest


DAMAGES = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-3]),
    "emptied": lambda path: path.write_bytes(b""),
    "flipped": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
    "missing": Path.unlink,
}


@pytest.mark.parametrize("file", ["optimizer.pt", BEST, SEAL])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(damage, file, tmp_path, capsys):
    older, newer = (checkpoint(tmp_path, step, best="mask") for step in (9, 10))
    damage(newer / file)
    assert checkpoints.last_whole(tmp_path) == older
    if (file, damage) != (SEAL, Path.unlink):  # that is one that was never finished
        assert f"checkpoint-10: {file} is damaged, going on from checkpoint-9" in capsys.readouterr().err
        assert not newer.exists()


def test_where_no_checkpoint_is_whole(tmp_path):
    for step in (9, 10):
        (checkpoint(tmp_path, step) / "optimizer.pt").write_text("other")
    with pytest.raises(InputError, match=r"no checkpoint is whole \(optimizer.pt of checkpoint-10, .*--overwrite"):
        checkpoints.last_whole(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2  # nothing is lost that somebody may still want


@pytest.mark.parametrize("content", ["", "{", "[1]", "\0"])
def test_damaged_settings(content, tmp_path):
    (tmp_path / SETTINGS).write_text(content)
    with pytest.raises(InputError, match=r"settings\.json is damaged; --overwrite_output_dir starts anew"):
        checkpoints.prepare(tmp_path, {"seed": 1}, overwrite=False)


def test_two_runs_in_one_folder(tmp_path):
    """The second is refused, and leaves the first one's folder alone; once the first is dead, it may go on."""
    hold = f"from emmental.training.claim import claim; from pathlib import Path; claim(Path({str(tmp_path)!r}))"
    first = subprocess.Popen([sys.executable, "-c", f"{hold}; print(flush=True); input()"], stdin=-1, stdout=-1)
    first.stdout.readline()
    second = subprocess.run([sys.executable, "-c", hold], capture_output=True, text=True)
    assert "another run is writing to" in second.stderr
    first.kill()
    first.wait()
    assert subprocess.run([sys.executable, "-c", hold]).returncode == 0


def test_the_best_mask_is_the_checkpoint_s(tmp_path):
    (tmp_path / BEST).write_text("of a step that will be run again")
    checkpoints.restore_best(tmp_path, checkpoint(tmp_path, 4, best="of step 3"))
    assert (tmp_path / BEST).read_text() == "of step 3"
    checkpoints.restore_best(tmp_path, checkpoint(tmp_path, 2))
    assert not (tmp_path / BEST).exists()


def test_best_is_the_first_of_the_best_at_the_final_density():
    history = [{"step": step, "eval_f1": f1} for step, f1 in ((2, 0.9), (4, 0.5), (6, 0.7), (8, 0.7), (10, 0.6))]
    history.insert(2, {"step": 5, "loss": 3.0})
    best = checkpoints.best_evaluation(history, "eval_f1", Schedule(10, 4, 0.1, 0.0))
    assert best["step"] == 6
    assert checkpoints.best_evaluation(history, "eval_f1", Schedule(20, 12, 0.1, 0.0)) is None


def test_only_a_better_evaluation_at_the_final_density_is_kept(tmp_path):
    schedule, kept = Schedule(14, 4, 0.1, 0.0), []
    best = checkpoints.Best("eval_f1", schedule, lambda path: kept.append((state.global_step, path)))
    arguments, state = TrainingArguments(tmp_path), TrainerState(is_world_process_zero=True)
    for step, f1 in ((2, 0.9), (4, 0.5), (6, 0.7), (8, 0.6), (10, 0.7), (12, 0.8), (14, 0.1)):
        state.global_step, metrics = step, {"eval_f1": f1}
        state.log_history.append({"step": step, **metrics})
        best.on_evaluate(arguments, state, TrainerControl(), metrics)
    assert kept == [(step, tmp_path / BEST) for step in (4, 6, 12)]
    best.on_evaluate(arguments, state, TrainerControl(), {"eval_mm_f1": 1.0})  # of another validation set
    state.is_world_process_zero, state.global_step = False, 12
    best.on_evaluate(arguments, state, TrainerControl(), {"eval_f1": 0.8})
    assert len(kept) == 3


def test_other_settings_and_finished_runs_are_refused(tmp_path):
    folder = tmp_path / "run"
    assert checkpoints.prepare(folder, {"seed": 1, "lr": 0.1}, overwrite=False) is None
    with pytest.raises(InputError, match=r"with other settings \(lr was 0\.1, is 0\.2\)"):
        checkpoints.prepare(folder, {"seed": 1, "lr": 0.2}, overwrite=False)
    last = checkpoint(folder, 7)
    assert checkpoints.prepare(folder, {"seed": 1, "lr": 0.1}, overwrite=False) == last
    (folder / RESULTS).write_text(json.dumps({}))
    with pytest.raises(InputError, match="holds a finished run"):
        checkpoints.prepare(folder, {"seed": 1, "lr": 0.1}, overwrite=False)
    assert checkpoints.prepare(folder, {"seed": 2}, overwrite=True) is None
    assert {path.name for path in folder.iterdir()} == {SETTINGS, ASIDE, LOCK}
    assert {path.name for path in (folder / ASIDE).iterdir()} == {SETTINGS, RESULTS, last.name}
