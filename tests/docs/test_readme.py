"""The README's commands, tried in the order they stand on a tiny backbone; its files and pictures exist."""

import re
import shutil
import subprocess

import pytest

from emmental.recipes import table
from tests.helpers.tiny import ROOT, environment, write_questions

README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.split("  #")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.split("#")[0].strip()
]
NEEDS_NETWORK = ("make demo", "make test", "bash eval.sh mnli_0.50_kd_mag")
HERE = environment({"SMP_CACHE": "cache"})  # in the workplace


@pytest.fixture(scope="module")
def workplace(tmp_path_factory, tiny_bert, reviews):
    """A folder with the project's scripts and a finished run of each mask that the README uses."""
    folder = tmp_path_factory.mktemp("workplace")
    for name in (
        "run.sh",
        "run_squad.sh",
        "run_teacher.sh",
        "compare.sh",
        "eval.sh",
        "masked_run_glue.py",
        "masked_run_squad.py",
        "emmental",
    ):
        (folder / name).symlink_to(ROOT / name)
    rows = reviews["train"].read_text().splitlines()[1:]
    sst2 = ["sentence\tlabel", *(row.replace(",", "\t") for row in rows)]
    nli = ["index\tsentence1\tsentence2\tlabel", "0\tgood film\tbad plot\tentailment", "1\ta\tb\tnot_entailment"] * 1
    mnli = ["sentence1\tsentence2\tgold_label", "good film\tbad plot\tneutral", "a\tb\tentailment"]
    for task, lines in (("SST-2", sst2), ("RTE", nli), ("MNLI", mnli)):
        (folder / "glue" / task).mkdir(parents=True)
        for file in ("train.tsv", "dev.tsv", "dev_matched.tsv"):
            (folder / "glue" / task / file).write_text("\n".join(lines) + "\n")
    (folder / "squad").mkdir()
    write_questions(folder / "squad" / "train-v1.1.json", 40)
    write_questions(folder / "squad" / "dev-v1.1.json", 8, seed=1)
    (folder / "glue" / "RTE" / "test.tsv").write_text("index\tsentence1\tsentence2\n0\tgood film\tbad plot\n")
    return folder


def offline(command: str, tiny_bert) -> str:
    """The command with the tiny backbone and a few steps: everything else as it stands."""
    command = command.replace('SEEDS="1 2 3"', "SEEDS=7")
    if "bash run.sh" in command:
        command = command.replace("bash run.sh", f"MODEL={tiny_bert} DATA_DIR=glue bash run.sh") + " --max_steps 5"
    return re.sub(r"MODEL=minilm(.*)--max_steps \d+", rf"MODEL={tiny_bert}\1--max_steps 5", command)


def test_readme_commands_run(workplace, tiny_bert):
    assert len(COMMANDS) > 10
    for command in COMMANDS:
        if command in NEEDS_NETWORK:
            continue
        run = subprocess.run(
            offline(command, tiny_bert), shell=True, cwd=workplace, env=HERE, capture_output=True, text=True
        )
        assert run.returncode == 0, f"{command}\n{run.stderr}"
        if "run.sh sst2_0.10_mag" in command:  # stands for the demo's mask, too, whose data are not here
            shutil.copytree(workplace / "models" / "sst2_0.10_mag", workplace / "models" / "reviews_0.10_mag")


def test_readme_python_runs(workplace, tiny_bert):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    code = code.replace('"minilm"', repr(str(tiny_bert)))
    run = subprocess.run(["python", "-c", code], cwd=workplace, env=HERE, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_make_knows_the_readme_s_targets():
    for command in ("make demo", "make test"):
        assert command in COMMANDS
        assert subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, capture_output=True).returncode == 0


def test_recipes_are_as_the_code_has_them():
    assert table.overview() in README


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_linked_files_exist(page):
    for link in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
        assert ((ROOT / page).parent / link).exists(), link
