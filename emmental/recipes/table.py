"""The published recipes (Jiang et al., ACL 2023, and its reference code), in one place.

python -m emmental.recipes
"""

from dataclasses import dataclass

from emmental.common.text import markdown
from emmental.recipes.kinds import Kind
from emmental.recipes.lengths import GLUE, SQUAD, Lengths, pruning_length

LEARNING_RATE = 2e-2  # of the scores, falling linearly to 0
LAMBDA = 400.0  # of the regulariser at its end
BACKBONE = "bert-base-uncased"
ROBERTA = "roberta-base"
FINETUNING = {  # of teachers; our choice, the usual for BERT-base
    "num_train_epochs": 3,
    "per_device_train_batch_size": 32,
    "learning_rate": 3e-5,
    "warmup_steps": 0.1,  # of all steps
    "weight_decay": 0.01,
}
# Tag _lkd, our own: a short run that learns from a teacher's layers, its scores fast and started at what is felt most.
LAYERWISE = {
    "--per_device_train_batch_size": "32",
    "--mask_init": "wanda",
    "--mask_scale": "0.5",
    "--mask_scores_learning_rate": "3e-2",
    "--norms_learning_rate": "3e-3",
    "--final_lambda": f"{LAMBDA:g}",  # of a task of one's own, too, whose recipe has 0
    "--warmup_threshold_step": "0.6",
    "--alpha_hidden": "30",
    "--dropout": "0",
}
LAYERWISE_EPOCHS = {"mrpc": 6, "cola": 5, "stsb": 4, "rte": 10}  # of small data; else 3


@dataclass(frozen=True)
class Recipe:
    """How a task was trained on BERT-base."""

    epochs: int
    batch: int
    steps: int  # T
    examples: int  # that T comes from; for SQuAD the windows that 2,766 steps an epoch hold
    evaluated: str  # every "1,000 steps" or every "epoch"
    metric: str  # that chooses the best mask
    lengths: Lengths = GLUE  # the rules for N and for the ramp of lambda
    max_length: int = 128
    stride: int | None = None
    backbone: str = BACKBONE
    learning_rate: float = LEARNING_RATE
    final_lambda: float = LAMBDA
    mask_init: str = "constant"
    mask_scale: float = 0.0
    kind: Kind = Kind.LABEL


RECIPES = {
    #              epochs batch    T    examples  evaluated every  metric
    "mnli": Recipe(12, 64, 73_632, 392_702, "1,000 steps", "accuracy"),
    "qnli": Recipe(12, 64, 19_644, 104_743, "1,000 steps", "accuracy"),
    "qqp": Recipe(12, 64, 68_232, 363_846, "1,000 steps", "accuracy"),
    "sst2": Recipe(12, 64, 12_636, 67_349, "1,000 steps", "accuracy"),
    "mrpc": Recipe(60, 32, 6_900, 3_668, "epoch", "accuracy"),
    "cola": Recipe(60, 32, 16_080, 8_551, "epoch", "matthews"),
    "stsb": Recipe(60, 32, 10_800, 5_749, "epoch", "pearson", kind=Kind.VALUE),
    "rte": Recipe(100, 32, 7_800, 2_490, "epoch", "accuracy"),
    "squad": Recipe(10, 32, 27_660, 88_512, "1,000 steps", "f1", SQUAD, 384, 128, kind=Kind.SPAN),
    # The demo's, our own: a short run, so scores start at the weights' magnitude and nothing pulls on them.
    "reviews": Recipe(
        2, 32, 568, 9_062, "tenth of the run", "accuracy", backbone="minilm", learning_rate=1e-2, final_lambda=0.0,
        mask_init="magnitude", mask_scale=0.5,
    ),
    # Of one's own data, our own: as short. T is that of 10,000 examples; the data decide it, and so they do the kind.
    "custom": Recipe(
        3, 32, 939, 10_000, "tenth of the run", "accuracy", learning_rate=1e-2, final_lambda=0.0,
        mask_init="magnitude", mask_scale=0.5,
    ),
}  # fmt: skip
CUSTOM = "custom"
SENTENCE_TASKS = tuple(task for task, recipe in RECIPES.items() if recipe.kind is not Kind.SPAN)

SQUAD_SPARSE, SQUAD_SPARSE_EPOCHS = SQUAD.late[0], 20  # at 3 % SQuAD trains twice as long


def kind_of(task: str) -> Kind:
    """The kind of a task that has a recipe, or of squad_v2. Raises KeyError for any other."""
    return RECIPES["squad" if task == "squad_v2" else task].kind


def epochs(task: str, density: float) -> int:
    """Passes over the training data."""
    return SQUAD_SPARSE_EPOCHS if task == "squad" and density <= SQUAD_SPARSE else RECIPES[task].epochs


def temperature(task: str, density: float, kd: bool) -> float:
    """p of SMP-S. The published densities' rules hold from that density upwards."""
    if density >= 0.7 or (task == "squad" and density >= 0.5 and not kd):
        return 4.0
    if task == "mnli" and density >= 0.5 and not kd:
        return 3.0
    return 1.0


def published_steps(task: str, density: float) -> int:
    """T of the published run."""
    return RECIPES[task].steps * epochs(task, density) // RECIPES[task].epochs


def evaluation_interval(total_steps: int, steps_per_epoch: int) -> int:
    """Steps between evaluations: 1,000, an epoch or a tenth of the run, what is least. The published at full length."""
    return max(1, min(1000, steps_per_epoch, total_steps // 10))


def overview() -> str:
    """The recipes as a table in Markdown, the published densities side by side where they differ."""
    head = ["task", "epochs", "batch", "T", "N at 80 / 70 / 50 / 3 %", "p at 80 / 50 / 50 with KD / 10 %"]
    rows = [[*head, "evaluated every", "metric"]]
    for task, recipe in RECIPES.items():
        pruning = [
            pruning_length(published_steps(task, density), density, recipe.lengths) for density in (0.8, 0.7, 0.5, 0.03)
        ]
        p = [temperature(task, density, kd) for density, kd in ((0.8, False), (0.5, False), (0.5, True), (0.1, False))]
        sparse = f"; 3 %: {SQUAD_SPARSE_EPOCHS}", f"; 3 %: {published_steps(task, SQUAD_SPARSE):,}"
        passes, steps = sparse if task == "squad" else ("", "")
        cells = [task, f"{recipe.epochs}{passes}", f"{recipe.batch}", f"{recipe.steps:,}{steps}"]
        cells += [" / ".join(f"{length:,}" for length in pruning), " / ".join(f"{value:g}" for value in p)]
        rows.append([*cells, recipe.evaluated, recipe.metric])
    return markdown(rows)
