"""The commands themselves on tiny models: tags, what a run leaves and prints, bad input, snapshots."""

import csv
import json
import re
import shutil
import sys

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from emmental import masks
from emmental.models.backbones import load_backbone
from emmental.models.heads import SequenceClassifier, label_word_ids
from emmental.pruning.masked_linear import swap_in
from emmental.scripts import glue as masked_run_glue
from tests.helpers.encoders import save_encoder
from tests.helpers.tiny import data_flags, save_tiny_bert, short_run, tiny_config


def test_files_of_a_run(finished):
    output_dir, _ = finished
    files = {path.name for path in output_dir.iterdir()}
    assert files == {
        "mask.safetensors", "all_results.json", "settings.json", "report.html", "density.png", "curves.png", "runs",
    }  # fmt: skip
    results = json.loads((output_dir / "all_results.json").read_text())
    assert not any(isinstance(value, dict | list) for value in results.values())
    assert results["task"] == "sst2"
    assert results["final_threshold"] == 0.25
    assert results["density"] == pytest.approx(0.25, abs=12 / 4096)
    assert results["global_step"] == 15
    assert results["best_step"] > results["pruning_steps"] == 8
    assert 0 <= results["eval_accuracy"] <= 1
    assert results["majority_eval_accuracy"] == 0.5
    for picture in ("density.png", "curves.png"):
        assert (output_dir / picture).read_bytes().startswith(b"\x89PNG")


def test_what_a_run_prints(finished):
    _, run = finished
    for line in (
        r"sst2 with SMP-S \(soft\), p = 1",
        r"masked +12 matrices, 4,096 weights",
        r"label words +0=terrible, 1=great",
        r"data +40 examples to train, 12 to validate",
        r"pruning +N = 8 steps \(53 %\)",
        r"regulariser +lambda 10",
        r"device +cpu, fp32, 1 process, seed 42",
        r"step +12 +density 0\.2500 +accuracy \d\.\d{4}",
        r"accuracy +\d\.\d{4} +\(best of 3 evaluations at this density, step \d+",
        r"majority class +0\.5000",
        r"density +0\.2\d{3} +\(1,0\d\d of 4,096 weights\)",
        r"report +report\.html",
    ):
        assert re.search(line, run.stdout), line
    assert re.search(r"15/15 .*density=0\.250, loss=\d", run.stderr)
    assert "deprecat" not in run.stderr.lower()


def test_tensorboard_curves(finished):
    output_dir, _ = finished
    (events,) = output_dir.glob("runs/*")
    curves = EventAccumulator(str(events)).Reload()
    names = set(curves.Tags()["scalars"])
    wanted = {"train/loss", "train/regulariser", "train/density", "train/lambda", "eval/accuracy"}
    assert wanted <= names
    assert len([name for name in names if name.startswith("train/density/bert.encoder.layer.")]) == 12
    assert [event.step for event in curves.Scalars("eval/accuracy")][:5] == [3, 6, 9, 12, 15]


def test_the_mask_on_a_fresh_backbone_gives_the_run_s_metric(finished, tiny_bert, reviews):
    output_dir, _ = finished
    mask = masks.load(output_dir / "mask.safetensors")
    backbone = load_backbone(str(tiny_bert))
    assert mask.info.weights_sha256 == backbone.weights_sha256()
    layers = swap_in(backbone.model)
    masks.apply(mask.bits, layers)
    word_ids = label_word_ids(backbone.tokenizer, list(mask.info.label_words.values()))
    model = SequenceClassifier(backbone.model, word_ids).eval()
    lines = [line.rsplit(",", 1) for line in reviews["validation"].read_text().splitlines()[1:]]
    inputs = backbone.tokenizer([text for text, _ in lines], padding=True, return_tensors="pt")
    right = model(**inputs)["logits"].argmax(-1) == torch.tensor([int(label) for _, label in lines])
    results = json.loads((output_dir / "all_results.json").read_text())
    assert right.float().mean().item() == pytest.approx(results["eval_accuracy"])


def test_both_validation_sets_of_mnli(tiny_bert, tmp_path, command):
    header = "sentence1\tsentence2\tgold_label"
    rows = [f"good film\tbad plot\t{label}" for label in ("entailment", "neutral", "contradiction")]
    (tmp_path / "MNLI").mkdir()
    for name, lines in (("train", rows * 4), ("dev_matched", rows), ("dev_mismatched", rows * 2)):
        (tmp_path / "MNLI" / f"{name}.tsv").write_text("\n".join([header, *lines]) + "\n")
    run = command("bash", "run.sh", "mnli_0.50", "--max_steps", "4", MODEL=str(tiny_bert), DATA_DIR=".")
    assert run.returncode == 0, run.stderr
    assert "3 + 6 mm to validate" in run.stdout
    results = json.loads((tmp_path / "models" / "mnli_0.50" / "all_results.json").read_text())
    assert {"eval_accuracy", "eval_mm_accuracy"} <= results.keys()
    assert results["allocation"] == "local"


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("", "'' is not a tag"),
        ("mnli", "'mnli' is not a tag"),
        ("qpp_0.10", "no task 'qpp'; there are mnli qnli qqp sst2"),
        ("mnli_10", "density 10 must lie above 0 and be at most 1"),
        ("mnli_0", "density 0 must lie above 0"),
        ("mnli_0.00", "density 0.00 must lie above 0"),
        ("mnli_1.5", "density 1.5 must lie above 0"),
        ("mnli_0.03_dk", "not a tag"),
        ("mnli_0.03_mag_mag", "not a tag"),
        ("mnli_0.03_mag_kd", "not a tag"),
    ],
)
def test_bad_tags(command, tmp_path, tag, message):
    run = command("bash", "run.sh", tag)
    assert run.returncode == 2
    assert message in run.stderr
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def broken_models(tmp_path_factory, tiny_bert):
    folder = tmp_path_factory.mktemp("broken")
    for name in ("without weights", "half"):
        shutil.copytree(tiny_bert, folder / name)
    (folder / "without weights" / "model.safetensors").unlink()
    config = json.loads((folder / "half" / "config.json").read_text()) | {"num_hidden_layers": 3}
    (folder / "half" / "config.json").write_text(json.dumps(config))
    save_tiny_bert(folder / "no layers", tiny_config(num_hidden_layers=0))
    return folder


@pytest.mark.parametrize(
    ("model", "flags", "message"),
    [
        ("nowhere", (), "cannot load 'nowhere'"),
        ("without weights", (), r"cannot load '.*without weights'"),
        ("half", (), r"lacks 16 of its encoder's weights, first bert\.encoder\.layer\.2"),
        ("no layers", (), "has no linear layers to mask"),
        ("tiny", ("--final_threshold", "1.5"), r"--final_threshold 1\.5: a density lies above 0"),
        ("tiny", ("--final_threshold", "nan"), "--final_threshold nan: a density lies above 0"),
        ("tiny", ("--warmup_threshold_step", "10"), r"10 pruning steps .* do not fit into a run of 10 steps"),
        ("tiny", ("--warmup_threshold_step", "0"), r"0 pruning steps .* do not fit"),
        ("tiny", ("--max_steps", "1"), "1 training steps leave no room for pruning"),
        ("tiny", ("--max_seq_length", "513"), "the backbone reads 3 to 512 tokens"),
        ("tiny", ("--snapshot_densities", "0.5,x"), "numbers parted by commas"),
        ("tiny", ("--snapshot_densities", "0.05"), r"0\.05 is not passed between 1 and the final 0\.1"),
        ("tiny", ("--final_lambda", "-1"), r"--final_lambda -1\.0: a number from 0"),
        ("tiny", ("--magnitude_topk_threshold_p", "0"), r"--magnitude_topk_threshold_p 0\.0: a number from 1e-30"),
        ("tiny", ("--label_map", "{0: 'unbelievable', 1: 'good'}"), r"is 3 tokens \(un ##believ ##able\)"),
        ("tiny", ("--teacher_model_name_or_path", "x"), "the teacher: cannot load 'x'"),
        ("tiny", ("--train_file", "nowhere.csv"), r"nowhere\.csv: no such file"),
        ("tiny", ("--data_dir", "nowhere"), "--data_dir nowhere: no such folder"),
    ],
)  # fmt: skip
def test_bad_input(monkeypatch, capsys, tmp_path, tiny_bert, broken_models, reviews, model, flags, message):
    path = tiny_bert if model == "tiny" else broken_models / model if (broken_models / model).exists() else model
    arguments = ("--task_name", "sst2", *data_flags(reviews), "--output_dir", "out", "--max_steps", "10")
    arguments = map(str, (*arguments, "--model_name_or_path", path, *flags))
    monkeypatch.setattr(sys, "argv", ["masked_run_glue.py", *arguments])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        masked_run_glue.main()
    printed = capsys.readouterr().err
    assert ended.value.code == 2
    assert re.search(message, printed), printed
    assert printed.count("error:") == 1
    assert not list(tmp_path.iterdir())


def test_published_figures_stand_beside_the_measured_ones(monkeypatch, capsys, tmp_path, tiny_bert):
    """For the paper's backbone, allocation and density: here a folder of its name."""
    (tmp_path / "bert-base-uncased").symlink_to(tiny_bert)
    header, rows = "sentence1\tsentence2\tgold_label", ["good film\tbad plot\tneutral", "a\tb\tentailment"]
    for name in ("train", "dev_matched"):  # without dev_mismatched
        (tmp_path / f"{name}.tsv").write_text("\n".join([header, *rows]) + "\n")
    flags = "--task_name mnli --data_dir . --output_dir out --max_steps 3 --final_threshold 0.1 --disable_tqdm true"
    for soft, figure in (("true", "0.825"), ("false", "0.820")):
        arguments = [*flags.split(), "--magnitude_topk_threshold", soft, "--overwrite_output_dir"]
        monkeypatch.setattr(sys, "argv", ["masked_run_glue.py", *arguments])
        monkeypatch.chdir(tmp_path)
        masked_run_glue.main()
        assert re.search(rf"accuracy +\d\.\d{{4}}  \(published: {figure}\)  \(best of .*\n", capsys.readouterr().out)


def test_roberta_from_the_launcher(command, reviews, tmp_path):
    """Another folder than BERT's, a density that falls linearly, no token types."""
    roberta = save_encoder(tmp_path / "tiny-roberta", "roberta")
    flags = (*data_flags(reviews), "--max_steps", "4", "--max_seq_length", "32")
    run = command("bash", "run.sh", "sst2_0.50_roberta", *flags, MODEL=str(roberta), BATCH_SIZE="8", REPORT_TO="none")
    assert run.returncode == 0, run.stderr
    assert re.search(r"density +1 -> 0.5, linear", run.stdout)
    assert "RobertaForMaskedLM" in run.stdout
    results = json.loads((tmp_path / "models" / "sst2_0.50_roberta" / "all_results.json").read_text())
    assert results["density"] == pytest.approx(0.5, abs=0.01)


def test_help_shows_all_flags(command):
    run = command("python", "masked_run_glue.py", "--help")
    assert run.returncode == 0
    for flag in (
        "mask_scores_learning_rate initial_threshold final_threshold warmup_threshold_step pruning_method mask_init "
        "mask_scale regularization final_lambda freeze_bert magnitude_topk_threshold magnitude_topk_threshold_p "
        "label_map use_mask_pt teacher_model_name_or_path temperature alpha_distil alpha_ce gradient_accumulation_steps"
    ).split():
        assert f"--{flag} " in run.stdout, flag


def test_use_mask_pt_scores_a_mask(finished, monkeypatch, capsys, tmp_path, tiny_bert, reviews):
    arguments = ("--use_mask_pt", finished[0], "--task_name", "sst2", "--model_name_or_path", tiny_bert)
    arguments = map(str, (*arguments, "--validation_file", reviews["validation"], "--output_dir", "out"))
    monkeypatch.setattr(sys, "argv", ["masked_run_glue.py", *arguments])
    monkeypatch.chdir(tmp_path)
    masked_run_glue.main()
    results = json.loads((finished[0] / "all_results.json").read_text())
    assert f"accuracy     {results['eval_accuracy']:.4f}" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_snapshots_leave_the_run_as_it_is(finished, tiny_bert, reviews, command, tmp_path):
    arguments, variables = short_run(tiny_bert, reviews, "--snapshot_densities", "0.25,0.5")
    assert command(*arguments, **variables).returncode == 0
    folder = tmp_path / "models" / "sst2_0.25_mag"
    assert (folder / "mask.safetensors").read_bytes() == (finished[0] / "mask.safetensors").read_bytes()
    with (folder / "densities.csv").open() as file:
        rows = list(csv.DictReader(file))
    # 15 steps, N = 8: the schedule is at 0.433 after 3 steps (0.566 after 2), at 0.25 after 8
    assert [(row["density"], row["step"]) for row in rows] == [("0.5", "3"), ("0.25", "8")]
    for row in rows:
        snapshot = masks.load(folder / row["mask"])
        assert snapshot.density() == pytest.approx(float(row["density"]), abs=12 / 4096)
        assert 0 <= float(row["accuracy"]) <= 1
    assert (folder / "densities.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_that_never_evaluates_does_so_at_its_end(tiny_bert, reviews, command, tmp_path):
    arguments, variables = short_run(tiny_bert, reviews, "--eval_strategy", "no")
    assert command(*arguments, **variables).returncode == 0
    results = json.loads((tmp_path / "models" / "sst2_0.25_mag" / "all_results.json").read_text())
    assert results["best_step"] == 15
    assert results["evaluations_at_final_density"] == 1


def content(folder):
    """All files of a folder by name."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_result_goes_when_the_one_that_replaces_it_is_complete(monkeypatch, tiny_bert, reviews, tmp_path):
    def train(*flags):
        words = (
            "--task_name", "sst2", "--model_name_or_path", tiny_bert, *data_flags(reviews), "--output_dir", tmp_path,
            "--max_steps", 6, "--save_steps", 3, "--per_device_train_batch_size", 8, "--disable_tqdm", True, *flags,
        )  # fmt: skip
        monkeypatch.setattr("sys.argv", ["masked_run_glue.py", *map(str, words)])
        masked_run_glue.main()

    def failing(error):
        def fail(*arguments):
            raise error

        return fail

    train()
    before = content(tmp_path)
    anew = ("--overwrite_output_dir", "--seed", 7)
    with monkeypatch.context() as broken:
        broken.setattr("emmental.training.prune.train", failing(RuntimeError("no optimiser")))
        with pytest.raises(RuntimeError):
            train(*anew)
    assert content(tmp_path) == before

    with monkeypatch.context() as broken:
        broken.setattr("emmental.training.prune.conclude", failing(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            train(*anew)
    aside = tmp_path / "before"
    assert content(aside) == before
    train("--seed", 7)  # goes on
    assert not aside.exists()
    assert json.loads((tmp_path / "all_results.json").read_text())["seed"] == 7
