"""The pages of the documentation: their blocks of commands and Python, and running these on a tiny backbone."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.helpers.tiny import ROOT, environment

GUIDE = sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs" / "guide").glob("*.md"))
PAGES = ["README.md", "CONTRIBUTING.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]
# The way in, and what asks the network: tried by hand from a clean clone.
NOT_HERE = ("git clone", "make demo", "make test", "source ", "bash eval.sh mnli_0.50_kd_mag")
HERE = environment({"SMP_CACHE": "cache"})  # in the workplace


def blocks(page: str) -> list[tuple[str, str]]:
    """A page's bash and python blocks in order: language and text."""
    return re.findall(r"```(bash|python)\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def lines(block: str) -> list[str]:
    """The commands of a bash block, without comments."""
    found = [line.split("  #")[0].strip() for line in block.splitlines()]
    return [line for line in found if line and not line.startswith("#")]


def commands(page: str) -> list[str]:
    """All commands of a page."""
    return [line for language, block in blocks(page) if language == "bash" for line in lines(block)]


def in_python(code: str, tiny_bert) -> list[str]:
    """A python block as a process of its own, with the tiny backbone."""
    return ["python", "-c", re.sub('"minilm"|"bert-base-uncased"', repr(str(tiny_bert)), code)]


def offline(command: str, tiny_bert) -> str:
    """The command with the tiny backbone and a few steps: everything else as it stands."""
    command = command.replace('SEEDS="1 2 3"', "SEEDS=7")
    if "bash run.sh" in command and "DATA_DIR" not in command and "custom" not in command:
        command = f"DATA_DIR=glue {command}"
    if "bash run.sh" in command and "MODEL=" not in command:
        command = f"MODEL={tiny_bert} {command}"
    command = re.sub(r"MODEL=minilm", f"MODEL={tiny_bert}", command)
    command = re.sub(r"--max_steps \d+", "--max_steps 5", command)
    command = re.sub(r"smp benchmark \S+", r"\g<0> --latency_ms 1", command)
    return f"{command} --max_steps 5" if "bash run.sh" in command and "--max_steps" not in command else command


def run_page(page: str, workplace: Path, tiny_bert: Path):
    """Run all blocks of a page in the order they stand, in that folder; each must succeed."""
    for language, block in blocks(page):
        for command in lines(block) if language == "bash" else [block]:
            if command.startswith(NOT_HERE):
                continue
            words = ["bash", "-c", offline(command, tiny_bert)] if language == "bash" else in_python(block, tiny_bert)
            run = subprocess.run(words, cwd=workplace, env=HERE, capture_output=True, text=True)
            assert run.returncode == 0, f"{command}\n{run.stderr}"
            if "run.sh sst2_0.10_mag" in command:  # stands for the demo's mask, too, whose data are not here
                shutil.copytree(workplace / "models" / "sst2_0.10_mag", workplace / "models" / "reviews_0.10_mag")
