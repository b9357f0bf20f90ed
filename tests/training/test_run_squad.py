"""SQuAD's commands on tiny models: what a run leaves and prints, scoring, answering, both versions, bad input."""

import json
import re
import sys

import datasets
import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from emmental import masks
from emmental.inference.load import load_pruned
from emmental.models.backbones import load_backbone
from emmental.models.heads import SpanClassifier
from emmental.models.losses import span_loss
from emmental.scripts import squad as masked_run_squad
from emmental.tasks import squad
from emmental.tasks.squad_answers import score_answers
from emmental.tasks.squad_examples import read_examples
from tests.helpers.tiny import ROOT, random_mask, run_command, write_questions

READING = ("--max_seq_length", "20", "--doc_stride", "4", "--n_best_size", "3")
LOOP = tuple(
    "--max_steps 6 --eval_steps 2 --per_device_train_batch_size 8 --mask_scores_learning_rate 0.05 "
    "--report_to none".split()
)


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        cache = str(tmp_path_factory.mktemp("cache"))
        patch.setenv("HF_DATASETS_CACHE", cache)
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The official files of both versions, under their official names."""
    folder = tmp_path_factory.mktemp("squad")
    write_questions(folder / "train-v1.1.json", 40)
    write_questions(folder / "dev-v1.1.json", 12, seed=1)
    write_questions(folder / "train-v2.0.json", 40, unanswered=10)
    write_questions(folder / "dev-v2.0.json", 12, seed=1, unanswered=4)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_bert, folder):
    """A finished run: its folder and what it printed."""
    place = tmp_path_factory.mktemp("trained")
    command = ("python", "masked_run_squad.py", "--data_dir", folder, "--model_name_or_path", tiny_bert)
    run = run_command((*command, *READING, *LOOP, "--final_threshold", "0.25", "--output_dir", "out"), {}, place)
    assert run.returncode == 0, run.stderr
    return place / "out", run


def test_files_and_table_of_a_run(trained, folder):
    output_dir, run = trained
    files = {path.name for path in output_dir.iterdir()}
    assert files == {
        "mask.safetensors", "all_results.json", "settings.json", "report.html", "density.png", "curves.png",
        "predictions.json", "nbest_predictions.json",
    }  # fmt: skip
    results = json.loads((output_dir / "all_results.json").read_text())
    answers = json.loads((output_dir / "predictions.json").read_text())
    measured = score_answers(read_examples(folder / "dev-v1.1.json"), answers)
    assert measured == {name: results[f"eval_{name}"] for name in ("exact_match", "f1")}
    n_best = json.loads((output_dir / "nbest_predictions.json").read_text())
    assert {name: entries[0]["text"] for name, entries in n_best.items()} == answers
    assert max(map(len, n_best.values())) == 3
    for line in (
        r"squad with SMP-L",
        r"label words +start=yes, end=no",
        r"data +\d+ windows to train, \d+ to validate",
        r"length +up to 20 tokens",
        r"f1 +\d+\.\d+ +\(best of 2 evaluations at this density",
    ):
        assert re.search(line, run.stdout), line
    assert "majority" not in run.stdout


def test_answers_are_those_of_the_mask_on_a_fresh_backbone(trained, folder):
    """Trainer meets the windows in an order of its own, padded by the batch; here one window is asked at a time."""
    nothing_but_rounding_differs(trained[0], folder)


def nothing_but_rounding_differs(output_dir, folder):
    pruned = load_pruned(output_dir / "mask.safetensors")
    reading = squad.Reading(20, 4, 3)
    expected = json.loads((output_dir / "nbest_predictions.json").read_text())
    for example in read_examples(folder / "dev-v1.1.json"):
        answers = pruned.answers(example["question"], example["context"], reading)
        assert [answer["text"] for answer in answers] == [answer["text"] for answer in expected[example["id"]]]
        for answer, other in zip(answers, expected[example["id"]], strict=True):
            assert answer["probability"] == pytest.approx(other["probability"], abs=1e-5)


def test_a_mask_that_was_trained_there_answers_alike_on_the_cpu(device, tiny_bert, folder, monkeypatch, tmp_path):
    words = ("--data_dir", folder, "--model_name_or_path", tiny_bert, *READING, *LOOP, "--output_dir", tmp_path / "out")
    monkeypatch.setattr(sys, "argv", ["masked_run_squad.py", *map(str, words)])
    masked_run_squad.main()
    nothing_but_rounding_differs(tmp_path / "out", folder)


def test_eval_gives_exactly_what_training_printed(trained, folder, command):
    output_dir, run = trained
    flags = ("--max_seq_length", "20", "--doc_stride", "4")
    scored = command("bash", "eval.sh", output_dir, *flags, DATA_DIR=str(folder))
    assert scored.returncode == 0, scored.stderr
    for name in ("exact_match", "f1"):
        (value,) = re.findall(rf"^  {name} +(\S+)", run.stdout, re.MULTILINE)
        assert re.search(rf"^  {name} +{value}", scored.stdout, re.MULTILINE), scored.stdout


def test_predict_answers_a_question(trained, command):
    output_dir, _ = trained
    mask = output_dir / "mask.safetensors"
    context = "the film was very slow and the music is bright"
    run = command(
        "python",
        "-m",
        "emmental",
        "predict",
        mask,
        "--question",
        "good or bad",
        "--context",
        context,
        PYTHONPATH=str(ROOT),
    )
    assert run.returncode == 0, run.stderr
    head, row = run.stdout.splitlines()
    assert head == "answer\tprobability"
    text, probability = row.split("\t")
    assert text in context
    assert 0 < float(probability) <= 1


def test_version_2_may_answer_with_nothing(tiny_bert, folder, command, tmp_path):
    flags = ("--data_dir", folder, "--model_name_or_path", tiny_bert, "--version_2_with_negative", *READING, *LOOP)
    always = ("--null_score_diff_threshold", "-1000")
    run = command("python", "masked_run_squad.py", *flags, *always, "--output_dir", "out")
    assert run.returncode == 0, run.stderr
    assert set(json.loads((tmp_path / "out" / "predictions.json").read_text()).values()) == {""}
    results = json.loads((tmp_path / "out" / "all_results.json").read_text())
    assert (results["task"], results["eval_f1"]) == ("squad_v2", pytest.approx(100 * 4 / 12))
    assert masks.load(tmp_path / "out" / "mask.safetensors").info.task == "squad_v2"


def test_padding_changes_no_loss(tiny_bert):
    backbone = load_backbone(str(tiny_bert))
    model = SpanClassifier(backbone.model, [5, 6]).eval()
    ids = torch.randint(9, 32, (4, 11), generator=torch.Generator().manual_seed(0))
    positions = {"start_positions": torch.tensor([0, 3, 5, 10]), "end_positions": torch.tensor([0, 4, 5, 10])}
    alone = model(ids, torch.ones_like(ids), **positions)
    padded = torch.nn.functional.pad(ids, (0, 9))
    beside = model(padded, (padded > 0).long(), **positions)
    torch.testing.assert_close(beside["loss"], alone["loss"])
    literal = span_loss(alone["start_logits"], alone["end_logits"], tuple(positions.values()))
    torch.testing.assert_close(alone["loss"], literal)


def test_fine_tuned_model_is_transformers_own(tiny_bert, folder, command, tmp_path):
    flags = ("--data_dir", folder, "--model_name_or_path", tiny_bert, *READING, *LOOP, "--learning_rate", "1e-3")
    run = command("python", "masked_run_squad.py", *flags, "--pruning_method", "finetune", "--output_dir", "dense")
    assert run.returncode == 0, run.stderr
    files = {path.name for path in (tmp_path / "dense").iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "predictions.json", "all_results.json"} <= files
    assert not [name for name in files if name.startswith("checkpoint")]
    model = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "dense").eval()
    questions = squad.Questions(
        squad.TASKS["squad"], read_examples(folder / "dev-v1.1.json"),
        AutoTokenizer.from_pretrained(tmp_path / "dense"), squad.Reading(20, 4, 3),
    )  # fmt: skip
    windows = questions.windows.select_columns(["input_ids", "attention_mask", "token_type_ids"])
    with torch.inference_mode():
        each = [model(**{name: torch.tensor([ids]) for name, ids in window.items()}) for window in windows]
    longest = max(output.start_logits.shape[1] for output in each)
    sides = [
        torch.cat([torch.nn.functional.pad(side, (0, longest - side.shape[1])) for side in sides]).numpy()
        for sides in ([output.start_logits for output in each], [output.end_logits for output in each])
    ]
    assert questions.answers(*sides)[0] == json.loads((tmp_path / "dense" / "predictions.json").read_text())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--doc_stride", "20"), "stride 20: must be at least 0 and below the max length of 20 tokens"),
        (("--train_file", "broken.json"), r"broken\.json, line 2, column 3: not JSON"),
        (("--train_file", "moved.json"), r"1 answers do not stand at their answer_start, the first in 'q0\.0'"),
        (("--train_file", "twice.json"), "1 ids stand more than once, the first is 'q0.0'"),
        (("--train_file", "empty.json"), "empty or missing context"),
        (("--train_file", "unanswered.json"), "no question has an answer"),
        (("--do_predict",), "a run on SQuAD leaves predictions.json by itself"),
        (("--train_file", "nowhere.json"), r"nowhere\.json: no such file"),
        (("--data_dir", "nowhere"), "--data_dir nowhere: no such folder"),
        (("--data_dir", "."), r"train-v1\.1\.json: no such file"),
        (("--max_seq_length", "513"), "the backbone reads 3 to 512 tokens"),
        (("--label_map", "{'start': 'yes'}"), "one word for each of start, end"),
        (("--use_mask_pt", "sst2.safetensors"), r"sst2\.safetensors is a mask for sst2"),
    ],
)
def test_bad_input(monkeypatch, capsys, tmp_path, tiny_bert, folder, flags, message):
    text = (folder / "train-v1.1.json").read_text()
    content = json.loads(text)
    (question,) = content["data"][0]["paragraphs"][0]["qas"]
    (tmp_path / "broken.json").write_text('{"data":\n  }')
    write_questions(tmp_path / "unanswered.json", 3, unanswered=3)
    start = question["answers"][0]["answer_start"]
    (tmp_path / "moved.json").write_text(text.replace(f'"answer_start": {start}', f'"answer_start": {start + 1}', 1))
    (tmp_path / "empty.json").write_text(text.replace('"context": "', '"context": " ", "was": "', 1))
    content["data"][0]["paragraphs"].append(content["data"][0]["paragraphs"][0])
    (tmp_path / "twice.json").write_text(json.dumps(content))
    masks.save(random_mask(tiny_bert), tmp_path / "sst2.safetensors")
    before = sorted(tmp_path.iterdir())

    data = ("--train_file", folder / "train-v1.1.json", "--validation_file", folder / "dev-v1.1.json")
    arguments = (*data, "--output_dir", "out", "--model_name_or_path", tiny_bert, *READING, *LOOP, *flags)
    monkeypatch.setattr(sys, "argv", ["masked_run_squad.py", *map(str, arguments)])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        masked_run_squad.main()
    printed = capsys.readouterr().err
    assert ended.value.code == 2
    assert re.search(message, printed), printed
    assert printed.count("error:") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_baseline_prunes_spans_and_is_scored(tiny_bert, folder, command, emmental, tmp_path):
    variables = {"METHOD": "magnitude", "MODEL": str(tiny_bert), "DATA_DIR": str(folder), "OUTPUT_DIR": "out"}
    variables |= {"MAX_LENGTH": "20", "DOC_STRIDE": "4", "BATCH_SIZE": "8", "REPORT_TO": "none", "WEIGHT_LR": "1e-2"}
    run = command("bash", "run_squad.sh", "squad_0.50", "--max_steps", "4", "--n_best_size", "3", **variables)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[0] == "squad with MaP (local)"
    results = json.loads((tmp_path / "out" / "all_results.json").read_text())
    assert results["density"] == pytest.approx(0.5, abs=12 / 4096)
    shown = emmental("eval", tmp_path / "out", "--data_dir", folder, "--max_seq_length", 20, "--doc_stride", 4)
    assert re.search(rf"f1 +{results['eval_f1']:.2f}\n", shown) or results["eval_f1"] <= 1
