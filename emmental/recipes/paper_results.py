"""The paper's results on the dev sets for BERT-base, in percent (Jiang et al., ACL 2023).

Each figure stands here once; eval.sh, run.sh and the published masks' list read it from here.
"""

from emmental.recipes.kinds import Kind
from emmental.recipes.settings import RunSettings
from emmental.recipes.table import BACKBONE, kind_of

FINETUNED = "finetuned"  # beside the allocations soft (SMP-S) and local (SMP-L): the dense model at density 1

METRICS = {"mnli": ("accuracy", "mm_accuracy"), "qqp": ("accuracy", "f1"), "squad": ("exact_match", "f1")}
THREE_TASKS = {
    # density, allocation or baseline, distilled: MNLI m/mm, QQP accuracy/F1, SQuAD exact match/F1
    (1.00, FINETUNED, False): ((84.5, 84.9), (91.4, 88.4), (80.4, 88.1)),
    (0.50, "soft", True): ((85.7, 85.5), (91.7, 88.8), (82.8, 89.8)),
    (0.10, "soft", True): ((83.7, 83.6), (91.0, 87.9), (79.3, 87.2)),
    (0.03, "soft", True): ((81.8, 82.0), (90.5, 87.4), (75.0, 84.1)),
    (0.10, "local", True): ((83.1, 83.1), (91.0, 87.9), (78.9, 86.9)),
    (0.03, "local", True): ((80.8, 81.2), (90.1, 87.0), (74.0, 83.4)),
    (0.10, "soft", False): ((82.5, 82.3), (90.8, 87.6), (75.1, 84.6)),
    (0.03, "soft", False): ((80.9, 81.1), (90.3, 87.1), (70.9, 81.4)),
    (0.10, "movement", True): ((80.1, 80.4), (89.7, 86.2), (75.6, 84.3)),
    (0.03, "movement", True): ((76.5, 77.4), (86.1, 81.5), (67.5, 78.0)),
    (0.10, "movement", False): ((79.3, 79.5), (89.1, 85.5), (71.9, 81.7)),
    (0.03, "movement", False): ((76.1, 76.7), (85.6, 81.0), (65.2, 76.3)),
    (0.10, "magnitude", True): ((78.3, 79.3), (79.8, 65.0), (70.2, 80.1)),
    (0.10, "magnitude", False): ((77.8, 79.0), (78.8, 75.1), (67.7, 78.5)),
    (0.03, "magnitude", False): ((68.9, 69.8), (72.1, 58.4), (40.1, 54.5)),
}

# The rest of GLUE: SMP-S at 80 % without distillation, and fine-tuned.
GLUE_METRICS = {"cola": "matthews", "stsb": "pearson"}  # the others: accuracy
GLUE = {
    (0.80, "soft", False): {
        "mnli": 85.0, "sst2": 92.9, "mrpc": 87.0, "cola": 61.5, "qnli": 91.5, "qqp": 91.4, "rte": 72.3, "stsb": 89.6,
    },
    (1.00, FINETUNED, False): {"sst2": 92.9, "mrpc": 87.7, "cola": 58.1, "qnli": 92.0, "rte": 71.1, "stsb": 91.2},
    # SMP-L and one ranking over all matrices, from the ablation of the allocation
    (0.80, "local", False): {"mnli": 84.8},
    (0.10, "local", False): {"mnli": 82.0},
    (0.03, "local", False): {"mnli": 80.6},
    (0.80, "global", False): {"mnli": 85.0},
    (0.10, "global", False): {"mnli": 81.0},
    (0.03, "global", False): {"mnli": 80.1},
}  # fmt: skip


def published(task: str, density: float, method: str, kd: bool, backbone: str = BACKBONE) -> dict[str, float]:
    """The figures in percent by metric as all_results.json names it without ``eval_``; empty where none was published.

    method: as of ``ranked_by``, or finetuned. kd: whether it was distilled.
    """
    if backbone != BACKBONE:
        return {}
    run = density, method, kd
    if run in THREE_TASKS and task in METRICS:
        return dict(zip(METRICS[task], THREE_TASKS[run][list(METRICS).index(task)], strict=True))
    figure = GLUE.get(run, {}).get(task)
    return {GLUE_METRICS.get(task, "accuracy"): figure} if figure else {}


def of_run(task: str, settings: RunSettings, backbone: str) -> dict[str, float]:
    """The figures, as of ``published``, for a run with these settings."""
    kd, method = bool(settings.teacher_model_name_or_path), settings.method
    if settings.alpha_hidden or settings.norms_learning_rate:  # ours, not the paper's
        return {}
    if not method.prunes:
        return published(task, 1.0, FINETUNED, kd, backbone)
    return published(task, settings.final_threshold, ranked_by(method.name, settings.allocation), kd, backbone)


def ranked_by(method: str, allocation: str) -> str:
    """What the tables above call a METHOD with an allocation: soft (SMP-S), local (SMP-L), or a baseline, which was
    published with the same density for every matrix."""
    if method == "smp":
        return allocation
    return method if allocation == "local" else f"{method}, {allocation}"


def beside(task: str, figure: float | None) -> str:
    """A published figure to stand after the measured one: a share of 1, for spans in percent; empty without any."""
    if figure is None:
        return ""
    return f"  (published: {figure:.1f})" if kind_of(task) is Kind.SPAN else f"  (published: {figure / 100:.3f})"
