"""benchmarks/experiments/layerwise.py: which runs, in which order, going on after a stop, and what the tables say."""

import functools
import json
import math
import shlex
from pathlib import Path

import pytest

from benchmarks.experiments import held_back, layerwise, layerwise_report, side_by_side
from benchmarks.experiments.layerwise_runs import DENSE, DROPPED, FULL, MASKS, METHODS, PIECES, PLAIN, Run
from emmental.common.errors import InputError
from emmental.common.files import write_json

DENSE_RUN, MASK_RUN = Run("stsb", DENSE, 1.0, 1), Run("stsb", FULL, 0.1, 1)


@pytest.fixture
def script(experiment):
    """The script with a folder of its own: script(flag, …) -> what it printed."""
    return functools.partial(experiment, layerwise)


@pytest.fixture
def commands(script, tmp_path):
    """The flags of each command of a dry run, in their order."""

    def planned(*flags):
        lines = [shlex.split(line)[2:] for line in script("--dry_run", *flags).splitlines()]
        pairs = [dict(zip(words[::2], words[1::2], strict=True)) for words in lines]
        return {Run.of(Path(flags["--output_dir"])): flags for flags in pairs}

    return planned


def test_every_mask_follows_its_teacher_and_takes_as_many_steps(commands, tmp_path):
    found = commands("--part", "main", "longer", "ablation", "choice")
    order = list(found)
    for run, flags in found.items():
        dense = found[run.dense]
        assert flags["--max_steps"] == dense["--max_steps"]
        assert flags["--seed"] == dense["--seed"]
        assert flags.get("--data_dir") == dense.get("--data_dir")
        if teacher := flags.get("--teacher_model_name_or_path"):
            assert teacher == dense["--output_dir"]
            assert order.index(run.dense) < order.index(run)
        if run.density < 1:
            assert flags["--final_threshold"] == f"{run.density:g}"
    of_one = {run.method for run in order if (run.task, run.density, run.held_back) == ("mnli", 0.1, False)}
    assert of_one == {FULL, PLAIN} | {f"{how}_{piece}" for how in ("without", "only") for piece in PIECES}
    steps = {(run.task, run.times): flags["--max_steps"] for run, flags in found.items()}
    assert (steps["mnli", 1], steps["mnli", 4], steps["cola", 1], steps["squad", 1]) == ("600", "2400", "1200", "400")
    assert found[Run("cola", FULL, 0.1, 2)]["--warmup_threshold_step"] == "720"
    assert found[Run("mnli", "warmup_threshold_step=0.4", 0.1, 1, held_back=True)]["--warmup_threshold_step"] == "240"


def test_a_piece_left_out_is_all_that_differs():
    differing = {
        piece: {flag for flag in METHODS[FULL] if METHODS[FULL][flag] != METHODS[f"without_{piece}"].get(flag)}
        for piece in PIECES
    }
    assert differing == {
        "layers": {"--alpha_hidden"},
        "logits": {"--alpha_ce", "--alpha_distil"},
        "norms": {"--norms_learning_rate"},
        "wanda": {"--mask_init"},
        "rate": {"--mask_scores_learning_rate"},
        "dropout": {"--dropout"},
        "regulariser": {"--final_lambda"},
    }
    for piece, flags in PIECES.items():
        assert METHODS[f"only_{piece}"] == METHODS[PLAIN] | flags


def test_settings_are_chosen_without_the_validation_sets(commands, tmp_path):
    for run, flags in commands("--part", "choice").items():
        read = {flags.get(flag) for flag in ("--data_dir", "--train_file", "--validation_file")} - {None}
        kept = tmp_path / "held_back_data"
        assert read == (
            {f"{kept}/SQuAD/train.json", f"{kept}/SQuAD/validation.json"} if run.task == "squad" else {f"{kept}"}
        )


@pytest.mark.parametrize("task", held_back.FILES)
def test_every_tenth_row_is_held_back(tmp_path, task):
    head = [] if task == "CoLA" else ["index\tsentence"]
    rows = [f'{number}\tit\'s "so" {number}\r' for number in range(25)]
    for each in held_back.FILES:
        (tmp_path / each).mkdir()
        (tmp_path / each / "train.tsv").write_bytes("\n".join([*head, *rows, ""]).encode())
    held_back.write(tmp_path, tmp_path / "parts")
    parts = [(tmp_path / "parts" / task / name).read_bytes() for name in ("train.tsv", held_back.FILES[task])]
    train, kept = (part.decode().split("\n") for part in parts)
    assert kept == [*head, *rows[::10], ""]
    assert sorted(train) == sorted([*head, *(row for row in rows if row not in rows[::10]), ""])


def test_every_tenth_article_is_held_back(tmp_path):
    whole = {"version": "1.1", "data": [{"title": str(number), "paragraphs": []} for number in range(12)]}
    write_json(tmp_path / "train-v1.1.json", whole)
    held_back.write_questions(tmp_path / "train-v1.1.json", tmp_path / "parts")
    parts = [json.loads((tmp_path / "parts" / name).read_text()) for name in held_back.QUESTIONS]
    assert {part["version"] for part in parts} == {"1.1"}
    train, kept = ([article["title"] for article in part["data"]] for part in parts)
    assert kept == ["0", "10"]
    assert train == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "11"]


def finished(output, run, **results):
    """What a finished run leaves."""
    run.folder(output).mkdir(parents=True)
    write_json(run.folder(output) / "all_results.json", results)


def test_a_finished_run_is_not_repeated_but_a_lost_teacher_is(commands, tmp_path):
    flags = ("--tasks", "stsb", "--seeds", "1", "--densities", "0.1")
    finished(tmp_path, DENSE_RUN)
    (DENSE_RUN.folder(tmp_path) / "model.safetensors").touch()
    finished(tmp_path, MASK_RUN)
    others = [Run("stsb", MASKS, 0.1, 1), Run("stsb", DROPPED, 1.0, 1), Run("stsb", PLAIN, 0.1, 1)]
    assert list(commands(*flags)) == others
    (DENSE_RUN.folder(tmp_path) / "model.safetensors").unlink()
    assert list(commands(*flags)) == [DENSE_RUN, *others]
    finished(tmp_path, others[0])
    assert list(commands(*flags)) == others[1:]  # which have no teacher


def write_or_fail(place, needed=None):
    """A command that leaves a file, and fails where the file that it needs is not there."""
    needs = f"assert pathlib.Path({str(needed)!r}).exists(); " if needed else ""
    return ["python", "-c", f"import pathlib; print('hello'); {needs}pathlib.Path({str(place)!r}).touch()"]


def test_a_mask_waits_for_its_teacher(tmp_path):
    teacher, mask = tmp_path / "teacher", tmp_path / "mask"
    commands = {MASK_RUN: write_or_fail(mask, teacher), DENSE_RUN: write_or_fail(teacher)}
    assert side_by_side.finish(commands, tmp_path, at_once=2, deadline=math.inf) == []
    assert mask.exists()


def test_what_lacks_its_teacher_or_the_time_is_not_started(tmp_path, capsys):
    mask, other = tmp_path / "mask", Run("stsb", PLAIN, 0.1, 1)
    commands = {DENSE_RUN: write_or_fail("x", tmp_path / "nowhere"), MASK_RUN: write_or_fail(mask)}
    commands[other] = write_or_fail(tmp_path / "other")
    (log,) = side_by_side.finish(commands, tmp_path, at_once=1, deadline=math.inf)
    assert "hello\nTraceback" in log.read_text()
    assert (tmp_path / "other").exists()
    assert side_by_side.finish({other: write_or_fail(mask)}, tmp_path, at_once=1, deadline=-math.inf) == []
    assert not mask.exists()


def test_bad_input_is_one_clear_error(script):
    with pytest.raises(InputError, match="no flag --max_stps: is --max_steps meant"):
        script("--max_stps", "3")
    with pytest.raises(InputError, match="no run is finished"):
        script("--report_only")


def test_shares_are_of_the_dense_model_of_the_same_seed(script, tmp_path):
    for task, metric, method, *values in (
        ("mnli", "accuracy", DENSE, 0.8, 0.4),
        ("mnli", "accuracy", FULL, 0.4, 0.3),
        ("mnli", "accuracy", MASKS, 0.2),
        ("squad", "f1", DENSE, 50.0, 50.0),
        ("squad", "f1", FULL, 41.25, 41.25),
    ):
        for seed, value in enumerate(values, 1):
            run = Run(task, method, 1.0 if method == DENSE else 0.1, seed)
            finished(tmp_path, run, **{f"eval_{metric}": value, "density": 0.1001})
    finished(tmp_path, Run("mnli", FULL, 0.1, 1, times=2), eval_accuracy=0.5, density=0.1)
    finished(tmp_path, Run("mnli", FULL, 0.1, 1, held_back=True), eval_accuracy=0.6, density=0.1)
    shown = script("--report_only", "--picture", str(tmp_path / "gap.svg"))
    assert "| dense | 100 % | 60.0 ± 28.3 (100.0 %) | 50.0 ± 0.0 (100.0 %) | 100.0 % | 2 |" in shown
    assert "| full recipe | 10 % | 35.0 ± 7.1 (62.5 %) | 41.2 ± 0.0 (82.5 %) | 72.5 % | 2 |" in shown
    assert "| without norms: masks alone | 10 % | 20.0 (25.0 %) | – | 25.0 % of 1 | 1 |" in shown
    assert "| full recipe, 2 times the steps | 10 % | 50.0 | – | 1 |" in shown  # its dense model is not there
    assert "| full recipe | 10 % | 60.0 | – | 1 |" in shown
    assert "Pieces" not in shown
    assert (tmp_path / "table.md").read_text() == shown
    runs = json.loads((tmp_path / "table.json").read_text())["runs"]
    assert {run["measured_density"] for run in runs} == {0.1, 0.1001}
    assert (tmp_path / "gap.svg").stat().st_size > 0


def test_the_picture_has_a_mean_line_where_all_tasks_are_there(tmp_path):
    for task, values in (("stsb", {0.1: 0.5, 0.5: 0.75}), ("rte", {0.1: 0.25})):
        finished(tmp_path, Run(task, DENSE, 1.0, 1), eval_pearson=1.0, eval_accuracy=1.0)
        for density, value in values.items():
            finished(tmp_path, Run(task, FULL, density, 1), eval_pearson=value, eval_accuracy=value)
    points = layerwise_report.over_seeds(layerwise_report.collect(tmp_path))
    (axes,) = layerwise_report.draw(points).axes
    (mean,) = [line for line in axes.lines if "full recipe" in line.get_label()]
    assert mean.get_xydata().tolist() == [[10, 37.5]]
    thin = [line.get_xydata()[:, 1].tolist() for line in axes.lines if line.get_label().startswith("_child")]
    assert [50.0, 75.0] in thin
