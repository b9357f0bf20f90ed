"""The runs of layerwise.py: what is compared, in which order, where each goes and what its command is."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.experiments import held_back
from emmental.launch.jobs import ROOT, is_span
from emmental.recipes.methods import NO_PENALTY
from emmental.recipes.table import LAYERWISE

TASKS = ("mnli", "stsb", "sst2", "mrpc", "cola", "squad")
STEPS = {"cola": 1200, "squad": 400}  # else 600; a mask takes as many as its dense model
CHIEF = 0.1  # the density that all is tried at

COMMON = {
    "--max_seq_length": "128",
    "--per_device_train_batch_size": "32",
    "--bf16": "True",
    "--eval_strategy": "no",  # once, at the end
    "--save_strategy": "no",
    "--dataloader_num_workers": "0",
    "--disable_tqdm": "True",
    "--report_to": "none",
}
WINDOWS = {"--max_seq_length": "192", "--doc_stride": "64", "--per_device_train_batch_size": "16"}

DENSE, FULL, MASKS, PLAIN = "dense", "full", "without_norms", "plain"
DROPPED = "dense_with_dropout"  # as is usual; masks are compared with the dense models without it, as they are
PRUNING = "--warmup_threshold_step"  # here as a share of all steps


def tagged(*flags: str) -> dict[str, str]:
    """These flags as the tag _lkd sets them."""
    return {flag: LAYERWISE[flag] for flag in flags}


FIXED = {
    "--magnitude_topk_threshold": "True",
    "--mask_init": "magnitude",
    "--mask_scores_learning_rate": "1e-2",
    **NO_PENALTY,
    **tagged("--mask_scale", PRUNING),
}
TAUGHT = "--alpha_distil"  # stands in the flags of all that has a teacher
PIECES = {  # of the full recipe, beside the short runs' plain one
    "layers": tagged("--alpha_hidden") | {"--alpha_ce": "1", TAUGHT: "0"},
    "logits": {"--alpha_ce": "0.5", TAUGHT: "0.5"},
    "norms": tagged("--norms_learning_rate"),
    "wanda": tagged("--mask_init"),
    "rate": tagged("--mask_scores_learning_rate"),
    "dropout": tagged("--dropout"),
    "regulariser": tagged("--final_lambda"),
}
CHOICES = {  # what is tried in place of the full recipe's, what promises most first
    "alpha_hidden": ("10", "100"),
    "dropout": ("0.1",),
    "final_lambda": ("0", "3200"),
    "warmup_threshold_step": ("0.8", "0.4"),
    "magnitude_topk_threshold": ("False",),  # SMP-L
    "mask_scores_learning_rate": ("1e-1", "1e-2"),
    "adam_beta2": ("0.98",),
    "norms_learning_rate": ("1e-2", "1e-3"),
}
PIECES_TASKS = ("mnli", "stsb")
CHOICE_TASKS = ("mnli", "stsb", "cola", "squad")


def recipe(*pieces: str) -> dict[str, str]:
    """The flags of a mask with these pieces of the recipe."""
    flags = dict(FIXED)
    for name, piece in PIECES.items():
        flags |= piece if name in pieces else {}
    return flags


WITHOUT = {f"without_{left_out}": recipe(*(name for name in PIECES if name != left_out)) for left_out in PIECES}
ONLY = {f"only_{name}": recipe(name) for name in PIECES}
CHOSEN = {
    f"{flag}={value}": recipe(*PIECES) | {f"--{flag}": value} for flag, values in CHOICES.items() for value in values
}
FINE_TUNED = {"--pruning_method": "finetune", "--learning_rate": "1e-4"}
METHODS = {
    DENSE: FINE_TUNED | tagged("--dropout"),
    DROPPED: FINE_TUNED,
    FULL: recipe(*PIECES),
    PLAIN: recipe(),
    **WITHOUT,
    **ONLY,
    **CHOSEN,
}


@dataclass(frozen=True)
class Places:
    """Where data and backbone are, and where runs go."""

    glue: Path
    squad: Path
    backbone: str
    output: Path

    @property
    def held_back(self) -> Path:
        """GLUE's training data in two parts, see held_back.py."""
        return self.output / "held_back_data"

    @property
    def questions(self) -> Path:
        """The same of SQuAD."""
        return self.held_back / "SQuAD"

    def squad_files(self) -> tuple[Path, Path]:
        """Questions to train and to validate."""
        return self.squad / "train-v1.1-44articles.json", self.squad / "xquad.en.json"


@dataclass(frozen=True)
class Run:
    """A dense model or a mask."""

    task: str
    method: str  # of METHODS
    density: float
    seed: int
    times: int = 1  # as many steps as the table's
    held_back: bool = False  # validated on a part of the training data

    @property
    def steps(self) -> int:
        return self.times * STEPS.get(self.task, 600)

    @property
    def dense(self) -> "Run":
        """The dense model of the same task, steps and seed: the teacher, and what a share is of."""
        return replace(self, method=DENSE, density=1.0)

    @property
    def teacher(self) -> "Run | None":
        return self.dense if TAUGHT in METHODS[self.method] else None

    def folder(self, output: Path) -> Path:
        """Where it goes."""
        data = "held_back" if self.held_back else "all"
        return output / data / self.task / f"{self.times}x" / f"{self.method}_{self.density:g}" / f"seed_{self.seed}"

    @classmethod
    def of(cls, folder: Path) -> "Run":
        """The run that goes there."""
        data, task, times, name, seed = folder.parts[-5:]
        method, _, density = name.rpartition("_")
        return cls(task, method, float(density), int(seed[5:]), int(times[:-1]), data == "held_back")

    def command(self, places: Places) -> list[str]:
        """Its command, beginning with ``python``."""
        flags = COMMON | METHODS[self.method]
        if is_span(self.task):
            files = (
                (places.questions / name for name in held_back.QUESTIONS) if self.held_back else places.squad_files()
            )
            flags |= WINDOWS | dict(zip(("--train_file", "--validation_file"), map(str, files), strict=True))
        else:
            flags |= {"--task_name": self.task, "--data_dir": str(places.held_back if self.held_back else places.glue)}
        if self.density < 1:
            flags |= {"--final_threshold": f"{self.density:g}", PRUNING: f"{float(flags[PRUNING]) * self.steps:.0f}"}
        if self.teacher:
            flags["--teacher_model_name_or_path"] = str(self.teacher.folder(places.output))
        flags |= {
            "--model_name_or_path": places.backbone,
            "--max_steps": str(self.steps),
            "--seed": str(self.seed),
            "--output_dir": str(self.folder(places.output)),
        }
        script = ROOT / ("masked_run_squad.py" if is_span(self.task) else "masked_run_glue.py")
        return ["python", str(script), *(word for pair in flags.items() for word in pair)]


def main_part(tasks: list[str], seeds: list[int], densities: list[float]) -> Iterator[Run]:
    """All tasks at all densities, with and without trained norms; at the chief density the plain recipe, too, and
    dense models with dropout."""
    if CHIEF in densities:
        for method, density in ((FULL, CHIEF), (MASKS, CHIEF), (DROPPED, 1.0)):
            yield from (Run(task, method, density, seed) for seed in seeds for task in tasks)
    for seed in seeds:
        for density in densities:
            methods = (PLAIN,) if density == CHIEF else (FULL, MASKS)
            yield from (Run(task, method, density, seed) for method in methods for task in tasks)


def longer_part(tasks: list[str], seeds: list[int], densities: list[float]) -> Iterator[Run]:
    """MNLI in more steps, of the dense models as well."""
    for times in (1, 2, 4) if "mnli" in tasks else ():
        for method, density in ((FULL, CHIEF), (DROPPED, 1.0)):
            yield from (Run("mnli", method, density, seed, times) for seed in seeds)


def ablation_part(tasks: list[str], seeds: list[int], densities: list[float]) -> Iterator[Run]:
    """Each piece of the recipe left out, and each alone."""
    for method in (FULL, *WITHOUT, PLAIN, *ONLY):
        yield from (Run(task, method, CHIEF, seed) for seed in seeds for task in PIECES_TASKS if task in tasks)


def choice_part(tasks: list[str], seeds: list[int], densities: list[float]) -> Iterator[Run]:
    """Settings tried on training data that were held back, so that nothing is tuned on what is shown."""
    for seed in seeds:
        for method, density in ((FULL, CHIEF), (DROPPED, 1.0), *((method, CHIEF) for method in CHOSEN)):
            yield from (Run(t, method, density, seed, held_back=True) for t in CHOICE_TASKS if t in tasks)


PARTS = {"main": main_part, "longer": longer_part, "ablation": ablation_part, "choice": choice_part}


def planned(parts: list[str], tasks: list[str], seeds: list[int], densities: list[float]) -> list[Run]:
    """The runs of these parts, each once: first the dense models, then masks in the order of how much they say."""
    masks = list(dict.fromkeys(run for part in parts for run in PARTS[part](tasks, seeds, densities)))
    return [*dict.fromkeys(run.dense for run in masks), *masks]
