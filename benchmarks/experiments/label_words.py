"""Label words given, chosen on the training data, and drawn at random, beside the dense model: runs and a table.

    python -m benchmarks.experiments.label_words --data_dir glue --output_dir runs/label_words --at_once 2 --bf16 True
    python -m benchmarks.experiments.label_words … --dry_run              # the commands
    python -m benchmarks.experiments.label_words --output_dir runs/label_words --report_only

Tasks: sst2 and mrpc from GLUE's TSV files, and reviews: the demo's ratings cut into six classes. All are read as tasks
of one's own, whose labels are numbers and say nothing. Every mask takes as many steps as its dense model, by the demo's
recipe. A finished run is not repeated; all other flags go to every run.
"""

import argparse
import json
import random
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.experiments import rated_films
from benchmarks.experiments.layerwise_runs import COMMON, FIXED
from benchmarks.experiments.side_by_side import finish, parser_of, to_do
from emmental.common.errors import InputError, exit_on_input_error
from emmental.common.files import write_json, write_text
from emmental.common.run_folder import RESULTS, SETTINGS
from emmental.common.text import markdown
from emmental.launch.flags import read_flags
from emmental.launch.jobs import ROOT
from emmental.models.backbones import load_tokenizer
from emmental.models.vocabulary import whole_words

WORDS = {  # what a reader would give, by label
    "sst2": {"0": "terrible", "1": "great"},
    "mrpc": {"0": "no", "1": "yes"},
    "reviews": {"0": "dreadful", "1": "bad", "2": "weak", "3": "fair", "4": "good", "5": "brilliant"},
}
DATA = {
    "sst2": {"--train_file": "SST-2/train.tsv", "--validation_file": "SST-2/dev.tsv"},
    "mrpc": {
        "--train_file": "MRPC/train.tsv", "--validation_file": "MRPC/dev.tsv", "--text_column": "#1 String",
        "--text_pair_column": "#2 String", "--label_column": "Quality",
    },
    "reviews": {"--train_file": "train.csv", "--validation_file": "validation.csv"},
}  # fmt: skip
DENSE, GIVEN, CHOSEN, ARBITRARY = WAYS = "dense", "given", "chosen", "arbitrary"


@dataclass(frozen=True)
class Run:
    """A dense model, or a mask with words that were found in this way."""

    task: str
    way: str
    seed: int
    teacher: None = None  # see side_by_side.finish

    def folder(self, output: Path) -> Path:
        """Where it goes."""
        return output / self.task / self.way / f"seed_{self.seed}"

    def command(self, arguments: argparse.Namespace, vocabulary: list[str]) -> list[str]:
        """Its command, beginning with ``python``. vocabulary: what arbitrary words are drawn from."""
        flags = COMMON | {"--bf16": "False"}
        if self.way == DENSE:
            flags |= {"--pruning_method": "finetune", "--learning_rate": "1e-4"}
        else:
            flags |= FIXED | {"--final_threshold": f"{arguments.density:g}"}
        words = WORDS[self.task]
        if self.way == ARBITRARY:
            words = dict(zip(words, random.Random(self.seed).sample(vocabulary, len(words)), strict=True))
        if self.way in (GIVEN, ARBITRARY):
            flags["--label_map"] = json.dumps(words)
        place = arguments.output_dir / "data" if self.task == "reviews" else arguments.data_dir
        files = {flag: str(place / name) if flag.endswith("_file") else name for flag, name in DATA[self.task].items()}
        flags |= files | {
            "--task_name": "custom",
            "--task_label": f"{self.task}-own",
            "--model_name_or_path": arguments.backbone,
            "--max_steps": str(arguments.steps),
            "--seed": str(self.seed),
            "--output_dir": str(self.folder(arguments.output_dir)),
        }
        return ["python", str(ROOT / "masked_run_glue.py"), *(word for pair in flags.items() for word in pair)]


def main() -> None:
    """Run what is not finished, then write the table. Raises InputError for flags that no run knows, and where nothing
    is finished."""
    arguments, flags = parse()
    output, failed = arguments.output_dir, []
    if not arguments.report_only:
        if "reviews" in arguments.tasks:
            rated_films.write(output / "data")
        vocabulary = list(whole_words(load_tokenizer(arguments.backbone)))
        runs = [Run(task, way, seed) for seed in arguments.seeds for task in arguments.tasks for way in WAYS]
        commands = {run: [*run.command(arguments, vocabulary), *flags] for run in to_do(runs, output)}
        for command in commands.values():
            read_flags(command[2:], spans=False)  # before anything starts
        if arguments.dry_run:
            print(*map(shlex.join, commands.values()), sep="\n")
            return
        failed = finish(commands, output, arguments.at_once, time.monotonic() + 60 * arguments.minutes)
    print(write(output))
    if failed:
        sys.exit(f"{len(failed)} runs failed: see {failed[0]}")


def parse() -> tuple[argparse.Namespace, list[str]]:
    """Our flags, and those of the runs."""
    parser = parser_of(__doc__)
    parser.add_argument("--tasks", nargs="+", choices=WORDS, default=["sst2", "mrpc"])
    parser.add_argument("--density", type=float, default=0.1)
    parser.add_argument("--steps", type=int, default=600, help="of 32 examples")
    return parser.parse_known_args()


def write(output: Path) -> str:
    """Write table.md and table.json of what is finished; returns the table. Raises InputError where nothing is."""
    runs = pd.DataFrame(map(measured, sorted(output.glob(f"*/*/seed_*/{RESULTS}"))))
    if runs.empty:
        raise InputError(f"{output}: no run is finished")
    tasks = [task for task in WORDS if task in set(runs["task"])]
    rows = [["label words", *(f"{task} (accuracy)" for task in tasks), "words of the first seed"]]
    for way in WAYS:
        of_way = runs[runs["way"] == way]
        cells = [cell(of_way.loc[of_way["task"] == task, "accuracy"]) for task in tasks]
        first = of_way.drop_duplicates("task").set_index("task")["words"]
        rows.append([way, *cells, "; ".join(filter(None, (first.get(task, "") for task in tasks)))])
    write_json(output / "table.json", runs.to_dict("records"))
    write_text(output / "table.md", f"{markdown(rows)}\n")
    return markdown(rows)


def measured(path: Path) -> dict:
    """What a finished run says: accuracy after its last step, in percent."""
    task, way, seed = path.parts[-4:-1]
    result, settings = (json.loads(path.with_name(name).read_text()) for name in (RESULTS, SETTINGS))
    return {
        "task": task,
        "way": way,
        "seed": int(seed[5:]),
        "accuracy": 100 * result.get("last_eval_accuracy", result["eval_accuracy"]),
        "words": ", ".join(settings.get("label_words", {}).values()),
        **{name: result[name] for name in ("seconds", "torch", "commit", "command")},
    }


def cell(values: pd.Series) -> str:
    """Mean ± standard deviation over the seeds, and how many they are."""
    if values.empty:
        return "–"
    return f"{values.mean():.1f}" + (f" ± {values.std():.1f} ({len(values)})" if len(values) > 1 else "")


if __name__ == "__main__":
    with exit_on_input_error():
        main()
