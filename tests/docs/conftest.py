"""A folder to try the documentation's commands in."""

import json

import pytest

from tests.helpers.tagged import write_tagged
from tests.helpers.tiny import ROOT, write_questions

LAUNCHERS = ("run.sh", "run_squad.sh", "run_teacher.sh", "compare.sh", "eval.sh")
SCRIPTS = ("masked_run_glue.py", "masked_run_squad.py", "emmental")


@pytest.fixture
def workplace(tmp_path, reviews):
    """A folder with the project's scripts and a few examples of the tasks that the pages name."""
    for name in (*LAUNCHERS, *SCRIPTS):
        (tmp_path / name).symlink_to(ROOT / name)
    rows = reviews["train"].read_text().splitlines()[1:]
    sst2 = ["sentence\tlabel", *(row.replace(",", "\t") for row in rows)]
    nli = ["index\tsentence1\tsentence2\tlabel", "0\tgood film\tbad plot\tentailment", "1\ta\tb\tnot_entailment"]
    mnli = ["sentence1\tsentence2\tgold_label", "good film\tbad plot\tneutral", "a\tb\tentailment"]
    for task, lines in (("SST-2", sst2), ("RTE", nli), ("MNLI", mnli)):
        (tmp_path / "glue" / task).mkdir(parents=True)
        for file in ("train.tsv", "dev.tsv", "dev_matched.tsv"):
            (tmp_path / "glue" / task / file).write_text("\n".join(lines) + "\n")
    (tmp_path / "films").mkdir()
    texts = [row.rsplit(",", 1) for row in rows]
    for name in ("train", "validation", "other"):
        (tmp_path / "films" / f"{name}.csv").write_text("\n".join(["text,label", *(",".join(row) for row in texts)]))
    genres = [json.dumps({"text": text, "labels": ["drama", "long"][: 1 + int(label)]}) for text, label in texts]
    (tmp_path / "films" / "genres.jsonl").write_text("\n".join(genres))
    (tmp_path / "names").mkdir()
    for name in ("train", "validation"):
        write_tagged(tmp_path / "names" / f"{name}.conll", 20)
    (tmp_path / "squad").mkdir()
    write_questions(tmp_path / "squad" / "train-v1.1.json", 40)
    write_questions(tmp_path / "squad" / "dev-v1.1.json", 8, seed=1)
    (tmp_path / "glue" / "RTE" / "test.tsv").write_text("index\tsentence1\tsentence2\n0\tgood film\tbad plot\n")
    return tmp_path
