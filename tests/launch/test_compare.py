"""compare.sh: the grid of runs, going on after a stop, and what the table says, against the runs' own results."""

import csv
import json
import math
import shlex
import statistics
import subprocess
import sys

import pytest

from emmental.common.errors import InputError
from emmental.launch import compare
from emmental.launch.compare_report import collect, label, over_seeds, picture, table, write
from emmental.launch.contestants import Contestant, parse_contestant, parse_folder
from emmental.launch.jobs import pruning_job
from emmental.recipes.methods import LINES, METHODS
from emmental.recipes.tags import parse_tag
from tests.helpers.runs import drawn, finished, last
from tests.helpers.tiny import ROOT, data_flags


def grid(*words, **variables):
    """Output folder: flags, of a dry run in the project's folder."""
    environment = {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin", **variables}
    run = subprocess.run(
        ["bash", "compare.sh", *words, "--dry_run"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    commands = [shlex.split(line) for line in run.stdout.splitlines()]
    return {words[words.index("--output_dir") + 1]: words for words in commands}


def test_the_whole_grid():
    found = grid("sst2", "0.5 0.03", SEEDS="1 2", L0_LAMBDAS="30 60")
    lines = [name for name, (method, line) in LINES.items() if line.allocation != "global" and method.prunes]
    fixed = [name for name in lines if not LINES[name][0].lambda_decides]
    assert {"smp-l", "smp-s", "movement", "magnitude"} <= set(fixed)
    folders = [f"{name}_{density}" for name in fixed for density in ("0.5", "0.03")]
    folders += ["soft_movement_lambda_400", "l0_lambda_30", "l0_lambda_60", "finetune"]
    assert found.keys() == {f"comparisons/sst2/{folder}/seed_{seed}" for folder in folders for seed in (1, 2)}
    for folder, words in found.items():
        assert last(words, "--seed") == folder[-1]
    words = found["comparisons/sst2/smp-s_0.03/seed_2"]
    assert "--magnitude_topk_threshold" in words
    assert (last(words, "--final_threshold"), last(words, "--final_lambda")) == ("0.03", "400")
    words = found["comparisons/sst2/l0_lambda_60/seed_1"]
    assert (last(words, "--pruning_method"), last(words, "--final_lambda")) == ("l0", "60")
    assert last(found["comparisons/sst2/finetune/seed_1"], "--pruning_method") == "finetune"
    for method in ("movement", "magnitude"):
        words = found[f"comparisons/sst2/{method}_0.5/seed_1"]
        assert (last(words, "--freeze_bert"), last(words, "--final_lambda")) == ("False", "0")


def test_flags_reach_the_runs_they_are_for():
    found = grid(
        "rte", "0.1", "smp-s+kd", "smp-l+magnitude_init", "smp-g", "movement+magnitude_init", "--max_steps", "9",
        TEACHER="t", SMP_FLAGS="--final_lambda 50", MOVEMENT_FLAGS="--warmup_steps 0", OUTPUT_DIR="out", MODEL="m",
        LR="7", LAMBDA="7",
    )  # fmt: skip
    distilled, initialised, ranked, movement = found.values()
    assert next(iter(found)) == "out/smp-s+kd_0.1/seed_42"
    for words in found.values():
        assert (last(words, "--max_steps"), last(words, "--model_name_or_path")) == ("9", "m")
        assert ("--teacher_model_name_or_path" in words) == (words is distilled)
        assert "7" not in words
    assert (last(distilled, "--teacher_model_name_or_path"), last(distilled, "--final_lambda")) == ("t", "50")
    assert (last(initialised, "--mask_init"), last(initialised, "--final_lambda")) == ("magnitude", "0")
    assert "--global_topk" in ranked
    assert (last(movement, "--mask_init"), last(movement, "--warmup_steps")) == ("magnitude", "0")
    assert "50" not in movement


def test_lkd_is_the_tag_s_recipe_with_the_comparison_s_teacher():
    (words,) = grid("mrpc", "0.1", "smp-s+lkd", "--max_steps", "9", TEACHER="t", OUTPUT_DIR="out").values()
    tagged = pruning_job(parse_tag("mrpc_0.1_lkd_mag")).flags
    for flag in ("--alpha_hidden", "--mask_init", "--dropout", "--num_train_epochs", "--final_lambda"):
        assert last(words, flag) == tagged[flag]
    assert last(words, "--teacher_model_name_or_path") == "t"
    assert "--magnitude_topk_threshold" in words


def test_a_folder_says_what_was_run():
    contestants = [
        Contestant(name, kd, False, magnitude)
        for name, (method, _) in LINES.items()
        for kd in (False, True)
        for magnitude in (False, True)
        if method.prunes and (method.learns_scores or not magnitude)
    ]
    for contestant in [*contestants, Contestant("smp-s", lkd=True), Contestant("smp-l", lkd=True)]:
        assert parse_contestant(str(contestant)) == contestant
        assert parse_folder(f"{contestant}_0.03") == (contestant, 0.03)
        assert parse_folder(f"{contestant}_lambda_1e-5") == (contestant, None)
    assert parse_folder("finetune") == (Contestant("finetune"), None)


def test_every_line_has_its_own_name_and_colour():
    for style in ("title", "colour"):
        assert len({getattr(line, style) for _, line in LINES.values()}) == len(LINES)
    pruning = [method for method in METHODS.values() if method.prunes]
    assert len({method.marker for method in pruning}) == len(pruning)
    assert label(Contestant("smp-s", kd=True, magnitude_init=True)) == "SMP-S + KD, magnitude init"
    assert label(Contestant("smp-l", lkd=True)) == "SMP-L + LKD"


def points(output):
    """What picture and table are made of."""
    return over_seeds(collect(output, "accuracy"), "accuracy")


def test_points_come_by_method_and_falling_density_with_mean_and_deviation(tmp_path):
    finished(tmp_path, "finetune", 1, 1.0)
    finished(tmp_path, "l0_lambda_400", 0.25, 0.5)
    finished(tmp_path, "l0_lambda_50", 0.5, 0.25)
    finished(tmp_path, "smp-s_0.1", 0.1, 0.875, 0.625)
    finished(tmp_path, "smp-s+magnitude_init_0.5", 0.5, 0.5)
    found = points(tmp_path)
    assert list(found.index) == [
        "smp-s_0.1", "smp-s+magnitude_init_0.5", "l0_lambda_50", "l0_lambda_400", "finetune",
    ]  # fmt: skip
    first, *others = found.itertuples()
    assert (first.mean, first.seeds, first.seconds) == (0.75, 2, 1.75)
    assert first.deviation == pytest.approx(0.125 * 2**0.5)
    assert all(math.isnan(other.deviation) for other in others)
    shown = table(found, "sst2", "accuracy")
    assert shown[1] == ["SMP-S", "10.0 %", "75.0 ± 17.7", "2", "1,000", "2", "9"]
    assert shown[2] == ["SMP-S, magnitude init", "50.0 %", "50.0", "1", "1,000", "1", "9"]
    assert shown[-1] == ["majority class", "", "50.0", "", "", "", ""]


def test_the_csv_holds_what_runs_measured_and_nothing_where_they_did_not(tmp_path):
    finished(
        tmp_path, "smp-s_0.1", 0.1, 1 / 3, last_eval_accuracy=0.25, final_lambda=400.0, seconds=1.26, command="a,b"
    )
    finished(tmp_path, "finetune", 1.0, 0.5, majority_eval_accuracy=None)
    write(tmp_path, "sst2", "compare.sh sst2", log_axis=False)
    assert (tmp_path / "comparison.csv").read_bytes().decode().split("\r\n") == [
        "method,density_asked,lambda,density,seed,accuracy,best_accuracy,majority,trained_parameters,steps,seconds,torch,"
        "transformers,python,commit,command",
        'SMP-S,0.1,400.0,0.1,0,0.25,0.3333333333333333,0.5,1000,9,1.3,,,,,"a,b"',
        "fine-tuned,,,1.0,0,0.5,0.5,,1000,9,1.2,,,,,",
        "",
    ]


def test_the_picture_has_a_panel_for_each_init(tmp_path):
    finished(tmp_path, "smp-s_0.5", 0.5, 0.5)
    finished(tmp_path, "smp-s+magnitude_init_0.5", 0.5, 0.75, 0.25)
    finished(tmp_path, "smp-s+magnitude_init_0.25", 0.25, 0.625)
    finished(tmp_path, "magnitude_0.5", 0.5, 0.875)
    finished(tmp_path, "finetune", 1, 1)
    figure = picture(points(tmp_path), "sst2", "accuracy", log_axis=False)
    published, magnitude = (drawn(axes) for axes in figure.axes)
    assert published[1] == magnitude[1] == {"fine-tuned": 100, "majority class": 50}
    assert published[0] == {"SMP-S": [(50, 50)], "MaP": [(50, 87.5)]}
    assert magnitude[0] == {"SMP-S": [(50, 50), (25, 62.5)], "MaP": [(50, 87.5)]}


def test_one_init_takes_one_panel(tmp_path):
    finished(tmp_path, "magnitude_0.5", 0.5, 0.75)
    finished(tmp_path, "finetune", 1, 1)
    figure = picture(points(tmp_path), "sst2", "accuracy", log_axis=True)
    (axes,) = figure.axes
    assert (axes.get_xscale(), drawn(axes)[0]) == ("log", {"MaP": [(50, 75)]})


def test_numbers_on_a_logarithmic_axis_are_few_enough_to_be_read(tmp_path):
    finished(tmp_path, "magnitude_0.03", 0.03, 0.75)
    finished(tmp_path, "magnitude_0.8", 0.8, 0.75)
    figure = picture(points(tmp_path), "sst2", "accuracy", log_axis=True)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    low, high = axes.get_xlim()
    labels = [label for label in axes.get_xticklabels(which="both") if low < label.get_position()[0] < high]
    assert [label.get_text() for label in labels if label.get_text()] == ["3", "10", "30"]


@pytest.mark.parametrize(
    ("words", "variables", "message"),
    [
        (["sst2"], {}, "a task and densities are needed"),
        (["sst2", "--max_steps", "3"], {}, "a task and densities are needed"),
        (["sst2", "0.5", "smp"], {}, "no method 'smp': there are smp-l smp-s"),
        (["sst2", "0.5", "smp-s+fast"], {}, "no option +fast"),
        (["sst2", "0.5", "finetune+kd"], {}, "finetune knows no such option"),
        (["sst2", "0.5", "movement+lkd"], {}, "movement knows no such option"),
        (["sst2", "0.5", "smp-s+kd+lkd"], {}, "+lkd is a whole recipe, and stands alone"),
        (["sst2", "0.5", "magnitude+magnitude_init"], {}, "magnitude knows no such option"),
        (["sst2", "1.5", "smp-s"], {}, "the density 1.5 must lie above 0"),
        (["sst3", "0.5", "smp-s"], {}, "no task 'sst3'"),
        (["sst2", "0.5", "l0"], {"L0_LAMBDAS": "x"}, "L0_LAMBDAS=x: a number is needed"),
        (["sst2", "0.5", "smp-s"], {"SEEDS": "a"}, "SEEDS=a: a whole number is needed"),
    ],
)
def test_bad_input(words, variables, message):
    with pytest.raises(InputError) as raised:
        compare.compare([*words, "--dry_run"], variables)
    assert message in str(raised.value)


def test_a_comparison_end_to_end(command, tiny_bert, reviews, tmp_path):
    flags = (*data_flags(reviews), "--max_steps", "4", "--eval_steps", "2", "--disable_tqdm", "True")
    variables = {"MODEL": str(tiny_bert), "BATCH_SIZE": "8", "REPORT_TO": "none", "SEEDS": "1 2", "OUTPUT_DIR": "out"}
    words = ("bash", "compare.sh", "sst2", "0.5", "finetune")
    first = command(*words, *flags, **variables)
    assert first.returncode == 0, first.stderr
    more = command(*words[:4], "l0", "smp-s+magnitude_init", *flags, **variables | {"SEEDS": "1", "L0_LAMBDAS": "40"})
    assert more.returncode == 0, more.stderr
    again = command(*words, *flags, **variables)
    assert again.stdout.count("is finished and stays") == 2

    out = tmp_path / "out"
    results = {path.parent: json.loads(path.read_text()) for path in out.glob("*/*/all_results.json")}
    assert len(results) == 4
    with (out / "comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == ["SMP-S, magnitude init", "L0", "fine-tuned", "fine-tuned"]
    for row in rows:
        (result,) = [r for r in results.values() if r["command"] == row["command"]]
        assert float(row["density"]) == result["density"]
        assert float(row["accuracy"]) == result.get("last_eval_accuracy", result["eval_accuracy"])
        assert (int(row["seed"]), int(row["steps"])) == (result["seed"], 4)
        assert row["torch"]
    shown = (out / "comparison.md").read_text()
    values = [100 * r["eval_accuracy"] for folder, r in results.items() if "finetune" in str(folder)]
    spread = f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}"
    assert f"| fine-tuned | 100.0 % | {spread} | 2 |" in shown
    assert shown in again.stdout or shown.split("\n\n")[1] in again.stdout
    assert (out / "comparison.png").stat().st_size > 10_000
    assert list(points(out)["seeds"]) == [1, 1, 2]

    other = command(*words, *flags, "--weight_decay", "0.5", **variables)
    assert other.returncode == 2
    assert "holds a run of another command (- it, + this one: + --weight_decay, + 0.5)" in other.stderr
