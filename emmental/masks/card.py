"""A mask's card: the README of its repository on the Hub, with what the Hub reads in its head. It says what is
known, and leaves out the rest."""

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from emmental.common import run_folder
from emmental.common.errors import refusing
from emmental.common.text import markdown, readable
from emmental.masks import describe
from emmental.masks.mask import Mask
from emmental.recipes.kinds import Kind

LIBRARY = "smp-pruning"
SECTION = "smp"  # of the card's head: what a gallery shows of a mask
PICTURE = "density.png"
PIPELINES = {  # the Hub's names of kinds of tasks
    Kind.LABEL: "text-classification",
    Kind.VALUE: "text-classification",
    Kind.SEVERAL: "text-classification",
    Kind.SPAN: "question-answering",
    Kind.TOKENS: "token-classification",
}
METRICS = {"matthews": "matthews_correlation", "pearson": "pearsonr", "spearman": "spearmanr"}  # the Hub's names
ASKED = {Kind.SPAN: '.answers("a question", "a context")', Kind.TOKENS: '.tags(["a text"])'}


@dataclass(frozen=True)
class Known:
    """What a mask's file does not say. license, languages and datasets: as the Hub writes them; results: what
    all_results.json holds of the run; picture: whether density.png is in the repository."""

    repository: str = "OWNER/NAME"
    file: str = "mask.smp"
    license: str | None = None
    languages: list[str] | None = None
    datasets: list[str] | None = None
    results: dict = dataclasses.field(default_factory=dict)
    picture: bool = False


def read_results(mask_file: Path, mask: Mask) -> dict:
    """What all_results.json beside a mask's file holds; empty where there is none, or that of another mask. Raises
    InputError where it cannot be read."""
    path = mask_file.with_name(run_folder.RESULTS)
    if not path.exists():
        return {}
    with refusing(f"{path}: not what a run leaves"):
        results = json.loads(path.read_text())
        own = results["task"] == mask.info.task and math.isclose(results["density"], mask.density(), abs_tol=1e-6)
        return results if own else {}


def card(mask: Mask, known: Known | None = None) -> ModelCard:
    """The card of a mask. Raises ValueError for what the Hub's metadata cannot hold."""
    known, info = known or Known(), mask.info
    parts = [
        f"# {info.task} on {info.base_model}, {100 * mask.density():.2f} % of the encoder's weights",
        f"A binary mask over a frozen backbone, not a model: one bit per encoder weight{_beside(mask)}.",
        _use(known, info.kind),
        f"## Labels\n\nThe frozen masked-LM head answers with a word for each label:\n\n{_words(info.label_words)}",
        *_results(known.results),
        f"## Densities\n\nRemaining weights by layer and matrix:\n\n```\n{describe.densities(mask.bits)}\n```",
        *([f"![Densities of all matrices]({PICTURE})"] if known.picture else []),
        f"## What the file says of itself\n\n```json\n{json.dumps(dataclasses.asdict(info), indent=2)}\n```",
    ]
    return ModelCard(f"---\n{_head(mask, known).to_yaml()}\n---\n\n" + "\n\n".join(parts) + "\n")


def _head(mask: Mask, known: Known) -> ModelCardData:
    info, measured = mask.info, run_folder.metrics(known.results)
    return ModelCardData(
        license=known.license,
        language=known.languages,
        datasets=known.datasets,
        # A card's base model is one on the Hub, and what came from there has a revision.
        base_model=info.base_model if info.base_revision else None,
        base_model_relation="adapter" if info.base_revision else None,
        library_name=LIBRARY,
        pipeline_tag=PIPELINES[info.kind],
        tags=["pruning", "mask", info.task],
        metrics=list(dict.fromkeys(map(_hub_name, measured))) or None,
        model_name=known.repository.split("/")[-1] if measured else None,
        eval_results=[_eval_result(name, value, info, known) for name, value in measured.items()] or None,
        **{SECTION: {"task": info.task, "density": round(mask.density(), 6), "backbone": info.base_model}},
    )


def _eval_result(name: str, value: float, info, known: Known) -> EvalResult:
    data = known.datasets[0] if known.datasets else info.task
    return EvalResult(
        task_type=PIPELINES[info.kind], task_name=info.task, dataset_type=data, dataset_name=data,
        dataset_split="validation", metric_type=_hub_name(name), metric_name=name, metric_value=value,
    )  # fmt: skip


def _hub_name(metric: str) -> str:
    """The Hub's name of a metric: of all ways to take the mean of F1 the same, as of all validation sets."""
    metric = metric.removeprefix("mm_")  # MNLI's mismatched
    return "f1" if metric.startswith("f1_") else METRICS.get(metric, metric)


def _use(known: Known, kind: Kind) -> str:
    return f"""## How to use it

```python
from emmental import load_pruned
from huggingface_hub import hf_hub_download
print(load_pruned(hf_hub_download("{known.repository}", "{known.file}")){ASKED.get(kind, '.probabilities(["a text"])')})
```

In a shell:

    smp pull {known.repository}
    bash eval.sh <the path that it prints>"""


def _words(label_words: dict[str, str]) -> str:
    rows = [[cell.replace("|", "\\|") for cell in row] for row in label_words.items()]
    return markdown([["label", "word"], *rows])


def _results(results: dict) -> list[str]:
    if not results:
        return []
    rows = [["metric", "value"], *([name, readable(value)] for name, value in run_folder.metrics(results).items())]
    majority = {name: value for name, value in results.items() if name.startswith("majority_eval_")}
    rows += [[f"majority class, {name.removeprefix('majority_eval_')}", readable(v)] for name, v in majority.items()]
    return [f"## Results\n\nOf the run that made the mask, on its validation set:\n\n{markdown(rows)}"]


def _beside(mask: Mask) -> str:
    return f", and beside it norms and biases: {describe.vectors(mask)}" if mask.vectors else ""
