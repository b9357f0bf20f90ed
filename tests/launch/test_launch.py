"""run.sh, run_squad.sh and run_teacher.sh: their commands, bad input, and several seeds end to end."""

import json
import re
import shlex
import statistics
import subprocess
import sys

import pytest
from transformers import AutoModelForSequenceClassification, HfArgumentParser

from emmental.launch import plan, seeds
from emmental.launch.jobs import launch
from emmental.recipes.settings import BackboneArguments, SentenceDataArguments, SpanDataArguments
from emmental.training.config import SMPConfig
from tests.helpers.tiny import ROOT, data_flags

COMMANDS = {
    ("run.sh", "mnli_0.03_kd_mag"): "python masked_run_glue.py --task_name mnli --model_name_or_path bert-base-uncased "
    "--max_seq_length 128 --num_train_epochs 12 --per_device_train_batch_size 64 --final_threshold 0.03 "
    "--magnitude_topk_threshold --magnitude_topk_threshold_p 1 --mask_scores_learning_rate 0.02 --final_lambda 400 "
    "--teacher_model_name_or_path teachers/mnli --output_dir models/mnli_0.03_kd_mag --seed 42 --report_to tensorboard",
    ("run.sh", "reviews_0.10"): "python masked_run_glue.py --task_name reviews --model_name_or_path minilm "
    "--max_seq_length 128 --num_train_epochs 2 --per_device_train_batch_size 32 --final_threshold 0.1 "
    "--mask_init magnitude --mask_scale 0.5 --mask_scores_learning_rate 0.01 --final_lambda 0 "
    "--output_dir models/reviews_0.10 --seed 42 --report_to tensorboard",
    ("run_squad.sh", "squad_0.03_roberta"): "python masked_run_squad.py --doc_stride 128 "
    "--model_name_or_path roberta-base --max_seq_length 384 "
    "--num_train_epochs 20 --per_device_train_batch_size 32 --final_threshold 0.03 "
    "--density_schedule linear --mask_scores_learning_rate 0.02 --final_lambda 400 "
    "--output_dir models/squad_0.03_roberta --seed 42 --report_to tensorboard",
    ("run_teacher.sh", "sst2"): "python masked_run_glue.py --task_name sst2 --model_name_or_path bert-base-uncased "
    "--max_seq_length 128 --pruning_method finetune --num_train_epochs 3 --per_device_train_batch_size 32 "
    "--learning_rate 3e-05 --warmup_steps 0.1 --weight_decay 0.01 --output_dir teachers/sst2 --seed 42 "
    "--report_to tensorboard",
}  # fmt: skip
SET = {
    "MODEL": ("my model", "--model_name_or_path"),
    "DATA_DIR": ("data", "--data_dir"),
    "OUTPUT_DIR": ("out", "--output_dir"),
    "EPOCHS": ("1.5", "--num_train_epochs"),
    "BATCH_SIZE": ("8", "--per_device_train_batch_size"),
    "MAX_LENGTH": ("64", "--max_seq_length"),
    "SEED": ("7", "--seed"),
    "REPORT_TO": ("none", "--report_to"),
}
SET_TO_PRUNE = SET | {
    "TEACHER": ("their teacher", "--teacher_model_name_or_path"),
    "LR": ("3e-2", "--mask_scores_learning_rate"),
    "LAMBDA": ("10", "--final_lambda"),
    "PRUNING_STEPS": ("50", "--warmup_threshold_step"),
    "ALPHA_HIDDEN": ("3", "--alpha_hidden"),
    "NORMS_LR": ("1e-3", "--norms_learning_rate"),
}
LAUNCHERS = {
    "run.sh": ("rte_0.50", SET_TO_PRUNE),
    "run_squad.sh": ("squad_0.50", SET_TO_PRUNE | {"DOC_STRIDE": ("32", "--doc_stride")}),
    "run_teacher.sh": ("squad", SET | {"LR": ("1e-5", "--learning_rate"), "DOC_STRIDE": ("32", "--doc_stride")}),
}


def in_the_project(launcher, *words, **variables):
    """Run a launcher from the project's folder; dry runs only."""
    environment = {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin", **variables}
    return subprocess.run(
        ["bash", launcher, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(("launcher", "name"), COMMANDS)
def test_commands(launcher, name):
    run = in_the_project(launcher, name, "--dry_run")
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == COMMANDS[launcher, name]
    assert in_the_project(launcher, name, DRY_RUN="1").stdout == run.stdout


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_every_variable_reaches_its_flag(launcher):
    name, variables = LAUNCHERS[launcher]
    values = {variable: value for variable, (value, _) in variables.items()}
    run = in_the_project(launcher, name, "--fp16", "a b", DRY_RUN="1", NPROC="2", **values)
    words = shlex.split(run.stdout.splitlines()[-1])
    assert words[:5] == ["python", "-m", "emmental.torchrun", "--nproc_per_node", "2"]
    assert words[-2:] == ["--fp16", "a b"]
    for value, flag in variables.values():
        assert words[words.index(flag) + 1] == value
        assert words.count(flag) == 1


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_every_variable_is_explained(launcher):
    lines = [line for line in (ROOT / launcher).read_text().splitlines() if re.match(r"[A-Z_]+=\$\{[A-Z]\w*:-", line)]
    names = {line.split("=")[0] for line in lines}
    assert names - {"NPROC", "DRY_RUN", "SEEDS", "METHOD", "WEIGHT_LR"} == LAUNCHERS[launcher][1].keys()
    assert all(re.search(r"\}\s+# \w+", line) for line in lines)


@pytest.mark.parametrize(
    ("launcher", "name"),
    [
        ("run.sh", "mnli_0.03_kd_mag"), ("run.sh", "reviews_0.10"), ("run.sh", "rte_0.10_roberta"),
        ("run_squad.sh", "squad_0.50_kd_mag"),
        ("run_teacher.sh", "cola"), ("run_teacher.sh", "squad"),
    ],
)  # fmt: skip
def test_the_scripts_know_every_flag(launcher, name):
    _, variables = LAUNCHERS["run.sh" if launcher == "run.sh" else "run_squad.sh"]
    values = {variable: value for variable, (value, _) in variables.items()}
    words = shlex.split(in_the_project(launcher, name, "--dry_run", **values).stdout.splitlines()[-1])[2:]
    data = SpanDataArguments if "squad" in name else SentenceDataArguments
    base, data, config = HfArgumentParser((BackboneArguments, data, SMPConfig)).parse_args_into_dataclasses(words)
    assert (base.model_name_or_path, data.data_dir, data.max_seq_length) == ("my model", "data", 64)
    assert (config.num_train_epochs, config.per_device_train_batch_size, config.seed) == (1.5, 8, 7)
    if launcher == "run_teacher.sh":
        assert config.learning_rate == 0.03
        assert (config.pruning_method, config.warmup_steps, config.weight_decay) == ("finetune", 0.1, 0.01)
    else:
        assert (config.mask_scores_learning_rate, config.final_lambda, config.warmup_threshold_step) == (0.03, 10, 50)
        assert config.density_schedule == ("linear" if "roberta" in name else "cubic")


def test_a_teacher_is_where_its_students_look_for_it(command, tiny_bert, reviews, tmp_path, monkeypatch, capsys):
    flags = (*data_flags(reviews), "--max_steps", "2")
    run = command("bash", "run_teacher.sh", "sst2", *flags, MODEL=str(tiny_bert), REPORT_TO="none")
    assert run.returncode == 0, run.stderr
    monkeypatch.chdir(tmp_path)
    launch("run.sh", ["sst2_0.50_kd", "--dry_run"], {})
    (teacher,) = re.findall(r"teacher +(.*)", capsys.readouterr().out)
    assert AutoModelForSequenceClassification.from_pretrained(teacher).num_labels == 2
    plan.check_teacher(teacher, teacher)


@pytest.mark.parametrize(
    ("words", "variables", "message"),
    [
        (("run.sh", "squad_0.50"), {}, "SQuAD has a launcher of its own: bash run_squad.sh squad_0.50"),
        (("run_squad.sh", "rte_0.50"), {}, "rte is a sentence task: bash run.sh rte_0.50"),
        (("run_squad.sh",), {}, "'' is not a tag"),
        (("run_teacher.sh",), {}, "no task ''; there are mnli"),
        (("run_teacher.sh", "mnli_0.50"), {}, "no task 'mnli_0.50'; there are mnli"),
        (("run.sh", "rte_0.50"), {"EPOCHS": "ten"}, "EPOCHS=ten: a number is needed"),
        (("run.sh", "rte_0.50"), {"SEED": "1.5"}, "SEED=1.5: a whole number is needed"),
        (("run.sh", "rte_0.50"), {"SEEDS": "1,2"}, "SEEDS=1,2: a whole number is needed"),
        (("run.sh", "rte_0.50"), {"NPROC": "0"}, "NPROC=0: at least 1"),
        (("run.sh", "rte_0.50", "--seed", "3"), {"SEEDS": "1 2"}, "set OUTPUT_DIR instead of the flag"),
        (("run.sh", "rte_0.50", "--output_dir=x"), {"SEEDS": "1 2"}, "set OUTPUT_DIR instead of the flag"),
        (("run.sh", "rte_0.50", "--max_steps", "few"), {}, "--max_steps"),
        (("run.sh", "rte_0.50_kd"), {}, "no teacher in teachers/rte: make it with bash run_teacher.sh rte, or set"),
        (("run.sh", "rte_0.50_roberta_kd"), {}, "make it with bash run_teacher.sh rte_roberta, or set TEACHER"),
        (("run_squad.sh", "squad_0.50_kd"), {"SEEDS": "1"}, "make it with bash run_teacher.sh squad, or set TEACHER"),
    ],
)  # fmt: skip
def test_bad_input(command, tmp_path, words, variables, message):
    run = command("bash", *words, **variables)
    assert run.returncode == 2
    assert message in run.stderr
    assert run.stderr.count("error:") == 1
    assert not list(tmp_path.iterdir())


def test_several_seeds(command, tiny_bert, reviews, tmp_path):
    words = ("bash", "run.sh", "sst2_0.50_mag", *data_flags(reviews), "--max_steps", "6")
    variables = {"MODEL": str(tiny_bert), "BATCH_SIZE": "8", "SEEDS": "3 1", "REPORT_TO": "none"}
    first = command(*words, **variables)
    assert first.returncode == 0, first.stderr
    folders = [tmp_path / "models" / "sst2_0.50_mag" / f"seed_{seed}" for seed in (3, 1)]
    results = [json.loads((folder / "all_results.json").read_text()) for folder in folders]
    assert [result["seed"] for result in results] == [3, 1]
    accuracies = [result["eval_accuracy"] for result in results]
    mean, deviation = sum(accuracies) / 2, abs(accuracies[0] - accuracies[1]) / 2**0.5
    table = first.stdout[first.stdout.index("mean ± ") :]
    assert table.splitlines()[0].endswith("models/sst2_0.50_mag over seeds 3 1")
    assert f"{mean:.4f} ± {deviation:.4f}  (of {accuracies[0]:.4f} {accuracies[1]:.4f})" in table
    assert "loss" not in table

    again = command(*words, **variables)  # both are finished
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("is finished and stays") == 2
    assert again.stdout.endswith(table)

    settings = json.loads((folders[1] / "settings.json").read_text()) | {"mask_scores_learning_rate": 0.3}
    (folders[1] / "settings.json").write_text(json.dumps(settings))
    other = command(*words, **variables)
    assert other.returncode == 2
    assert "differ in mask_scores_learning_rate, so there is no mean over them" in other.stderr


def test_a_failed_seed_ends_the_series(tmp_path, capsys):
    commands = {tmp_path / f"seed_{seed}": [sys.executable, "-c", f"exit({seed + 2})"] for seed in (1, 2)}
    with pytest.raises(SystemExit) as ended:
        seeds.run(commands, {}, again=False)
    assert ended.value.code == 3
    printed = capsys.readouterr()
    assert printed.err == f"error: the run of {tmp_path}/seed_1 ended with exit status 3\n"
    assert "seed_2" not in printed.out


def test_mean_and_deviation_by_hand(tmp_path):
    folders = []
    for seed, f1 in ((1, 80.0), (2, 82.0), (5, 87.0)):
        folders.append(tmp_path / f"seed_{seed}")
        folders[-1].mkdir()
        result = {"task": "squad", "seed": seed, "eval_f1": f1, "eval_loss": 1.0, "eval_runtime": 3.0, "density": 0.1}
        (folders[-1] / "all_results.json").write_text(json.dumps(result))
        (folders[-1] / "settings.json").write_text(json.dumps({"seed": seed, "density": 0.1}))
    shown = seeds.summary(folders, {"f1": 84.6}).splitlines()
    assert shown[0].endswith("over seeds 1 2 5")
    assert shown[1:] == ["  f1  83.0000 ± 3.6056  (of 80.0000 82.0000 87.0000)  (published: 84.6)"]
    assert round(statistics.stdev([80, 82, 87]), 4) == 3.6056  # the root of (9 + 1 + 16) / 2
    assert seeds.summary(folders[:1], {}).splitlines()[1] == "  f1  80.0000  (of 80.0000)"
