"""What a text costs with LoRA that is not merged, so that tasks share a backbone, beside the dense model and masks.

    OMP_NUM_THREADS=2 python -m benchmarks.inference.unmerged MASK …      # masks of one backbone; about a minute

A merged LoRA, BitFit and a linear probe are the dense model with other numbers, and cost what it costs. All ways take
turns; milliseconds are medians ± half the distance of the quartiles; weights are the bytes that a model holds.
"""

import sys
from pathlib import Path

from benchmarks.experiments.adapter_run import RANKS, adapted
from emmental import load_pruned, masks
from emmental.benchmark.contenders import BASELINE, Contender, contender, weights_in_memory
from emmental.benchmark.measure import SETTINGS
from emmental.benchmark.report import machine, milliseconds
from emmental.benchmark.timing import random_texts, timed
from emmental.common.text import aligned
from emmental.models.backbones import load_dense
from emmental.recipes.kinds import Kind

SECONDS = 10.0  # of one setting
VOCABULARY = 1000  # which token it is makes no difference


def main(files: list[Path]) -> None:
    ways = contenders(files)
    rows = [["texts x tokens", *(way.name for way in ways)]]
    for texts, tokens in SETTINGS:
        timings, _ = timed(ways, random_texts([tokens] * texts, VOCABULARY), SECONDS)
        rows.append([f"{texts}x{tokens}", *(milliseconds(timings[way.name]) for way in ways)])
    rows.append(["weights", *(f"{way.memory / 1e6:.1f} MB" for way in ways)])
    print(machine())
    print(aligned([list(row) for row in zip(*rows, strict=True)]))


def contenders(files: list[Path]) -> list[Contender]:
    """The dense classifier, one with each rank of LoRA, and the masks in the sparse runtime."""
    backbone = masks.load(files[0]).info.base_model
    ways = [classifier(BASELINE, backbone)]
    ways += [classifier(f"LoRA, rank {rank}, not merged", backbone, adapter) for adapter, rank in RANKS.items()]
    for file in files:
        pruned = load_pruned(file, runtime="sparse")
        ways.append(contender(f"mask of {100 * pruned.info.density:g} %, sparse", pruned.model))
    return ways


def classifier(name: str, backbone: str, adapter: str | None = None) -> Contender:
    """A dense classifier on this backbone, with an adapter that stays apart."""
    model = load_dense(Kind.LABEL, ["0", "1"], backbone)
    model = (adapted(model, adapter, dropout=None) if adapter else model).eval()
    return Contender(name, lambda **inputs: model(**inputs).logits, weights_in_memory(model))


if __name__ == "__main__":
    main([Path(word) for word in sys.argv[1:]])
