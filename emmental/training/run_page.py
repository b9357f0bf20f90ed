"""A finished run as one web page, report.html: what was run and what came of it, where it errs, how to use it and how
to repeat it.
"""

import json
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from emmental.common.pictures import as_uri
from emmental.common.processor import name_of
from emmental.common.run_folder import MASK, PAGE, RESULTS
from emmental.common.text import duration, readable
from emmental.masks import describe
from emmental.masks.mask import Mask
from emmental.pruning.matrices import layer_number, matrix_type, short_type
from emmental.recipes import paper_results
from emmental.recipes.kinds import Kind
from emmental.recipes.metrics import NOT_SHARES
from emmental.report import page, usage
from emmental.tasks.examined import Confusion, Examined
from emmental.tasks.problem import Problem
from emmental.training.config import SMPConfig

MOST_LABELS = 12  # of a confusion matrix that can be read; of more labels the most confused pairs are shown
MOST_PAIRS = 20


def write(
    config: SMPConfig,
    problem: Problem,
    title: str,
    asked: dict[str, str],
    results: dict,
    published: dict[str, float],
    panels: dict[str, Figure],
    examined: Examined | None,
    mask: Mask | None = None,
) -> None:
    """Write the page into the run's output folder.

    title, asked: the plan, as it was shown before training; results: what all_results.json holds; published: figures in
    percent for such a run; panels: its curves, by title; mask: none of a dense run.
    """
    output_dir = Path(config.output_dir)
    frozen = bool(mask) and config.freeze_bert
    result = output_dir / MASK if frozen else output_dir
    metric = problem.metrics[0]
    page.write(
        output_dir / PAGE,
        "run",
        title=f"{title}: {100 * mask.density():.2f} % remain" if mask else title,
        lead=_lead(results, mask, frozen),
        metric=metric,
        value=readable(results[f"eval_{metric}"]),
        compared=_compared(config, problem, results, published),
        figures={name.removeprefix("eval_"): readable(results[name]) for name in problem.logged_metrics()},
        facts={name: value for name, value in asked.items() if not name.startswith("label")}
        | _facts(config, problem, results, mask),
        pictures={name: as_uri(figure) for name, figure in panels.items()},
        densities=_densities(mask.bits) if mask else None,
        examined=examined,
        confusion=matrix(examined.confusion) if examined and examined.confusion else None,
        words=problem.label_words,
        in_words=frozen,
        commands=usage.commands(problem.kind, result, output_dir, frozen),
        python=usage.python(problem.kind, result),
        command=usage.by_flag(results["command"]),
        results=results,
    )


def _lead(results: dict, mask: Mask | None, frozen: bool) -> str:
    model = results["model"]
    if mask is None:
        return f"All weights of {model} were trained; nothing is pruned."
    remain = f"{100 * mask.density():.2f} % of the encoder's weights remain"
    if not frozen:
        return f"The weights of {model} were trained while they were pruned: {remain}, the others are zeros."
    beside = f", and beside it norms and biases were trained: {describe.vectors(mask)}" if mask.vectors else ""
    return f"A binary mask over the frozen {model}: {remain}, the others count as zero{beside}."


def _compared(config: SMPConfig, problem: Problem, results: dict, published: dict[str, float]) -> list[dict]:
    """The chief metric of this run and of what it is to be held against, as far as that is known: a row each, with the
    share of the whole bar; none of a metric without a whole."""
    metric = problem.metrics[0]
    whole = 100 if problem.kind is Kind.SPAN else 1
    dense = paper_results.published(problem.task, 1.0, paper_results.FINETUNED, kd=False, backbone=results["model"])
    values = {
        "this run": results[f"eval_{metric}"],
        "its dense teacher": _of_teacher(config, problem),
        "majority class": problem.baseline,
        "published, such a run": _scaled(published.get(metric), whole),
        "published, fine-tuned densely": _scaled(dense.get(metric), whole) if config.method.prunes else None,
    }
    return [
        {
            "name": name,
            "value": readable(value),
            "share": None if metric in NOT_SHARES else min(max(100 * value / whole, 0), 100),
        }
        for name, value in values.items()
        if value is not None
    ]


def _scaled(percent: float | None, whole: int) -> float | None:
    return None if percent is None else percent * whole / 100


def _of_teacher(config: SMPConfig, problem: Problem) -> float | None:
    """The teacher's own result, where it is a run of ours on the same task."""
    own = Path(config.teacher_model_name_or_path or "") / RESULTS
    if not config.teacher_model_name_or_path or not own.is_file():
        return None
    results = json.loads(own.read_text())
    return results.get(f"eval_{problem.metrics[0]}") if results.get("task") == problem.task else None


def _facts(config: SMPConfig, problem: Problem, results: dict, mask: Mask | None) -> dict[str, str]:
    """What is known after the run, to stand below what was asked for."""
    kept = {}
    if mask:
        last = readable(results[f"last_eval_{problem.metrics[0]}"])
        kept["what is kept"] = (
            f"step {results['best_step']:,}, the best of {results['evaluations_at_final_density']} evaluations at the "
            f"final density; the last has {last}"
        )
        ones, weights = (sum(int(count(m)) for m in mask.bits.values()) for count in (torch.sum, torch.numel))
        kept["measured density"] = f"{mask.density():.4f} ({ones:,} of {weights:,} weights)"
    return kept | {
        "trained": f"{results['trained_parameters']:,} parameters",
        "time": duration(results["seconds"]),
        "processor": name_of(config.device),
    }


def _densities(bits: dict[str, torch.Tensor]) -> dict:
    """Head and rows of a table: remaining weights in percent, layers by matrix types. A cell's heat, -1 to 1, says how
    far it is from the mean; small differences have little."""
    types = list(dict.fromkeys(matrix_type(name) for name in bits))
    kept = {
        (layer_number(name), matrix_type(name)): 100 * matrix.float().mean().item() for name, matrix in bits.items()
    }
    mean = 100 * sum(int(m.sum()) for m in bits.values()) / sum(m.numel() for m in bits.values())
    spread = max(*(abs(percent - mean) for percent in kept.values()), 0.1 * mean)
    cells = {
        place: {"text": f"{percent:.2f}", "heat": (percent - mean) / spread if spread else 0}
        for place, percent in kept.items()
    }
    return {
        "head": [short_type(kind) for kind in types],
        "rows": {layer: [cells.get((layer, kind)) for kind in types] for layer in sorted({key[0] for key in kept})},
        "mean": f"{mean:.2f}",
    }


def matrix(confusion: Confusion) -> dict:
    """The table of few labels, whose cells' heat is their share of the row; or the pairs of many."""
    if len(confusion.labels) > MOST_LABELS:
        return {"labels": (), "pairs": confusion.pairs()[:MOST_PAIRS]}
    shares = confusion.counts / np.maximum(confusion.counts.sum(axis=1, keepdims=True), 1)
    rows = {
        label: [{"text": f"{count:,}", "heat": share} for count, share in zip(counts, row, strict=True)]
        for label, counts, row in zip(confusion.labels, confusion.counts.tolist(), shares.tolist(), strict=True)
    }
    return {"labels": confusion.labels, "rows": rows}
