"""What sparse products gain on BERT-base's shape, against the goals that were set for it.

    python -m benchmarks.inference.speed            # about 8 minutes on 2 cores
    python -m benchmarks.inference.speed --json
    python -m benchmarks.inference.speed --quick    # 2 of the 12 layers and few rounds: only to see that it runs

Weights and masks are random, at 3, 10, 30 and 50 %. All runtimes of a row are timed in turn. Where a goal is missed,
the operations follow that the time went into. ``smp benchmark`` does the like for a mask that was trained.
"""

import argparse
import json
from dataclasses import asdict, dataclass

import torch
from torch.profiler import ProfilerActivity, profile
from transformers import BertConfig, BertForMaskedLM

from emmental.benchmark.contenders import BASELINE, Contender, contenders, weights_in_memory, with_runtime
from emmental.benchmark.report import machine
from emmental.benchmark.timing import Timing, random_texts, timed
from emmental.common.text import aligned
from emmental.models.heads import SequenceClassifier
from emmental.pruning.matrices import encoder_linears

DENSITIES = (0.03, 0.10, 0.30, 0.50)
VOCABULARY = 1000
BF16 = "dense bf16"
# As sparse, but the last layer computes all tokens and not the first ones alone. At the lowest density only.
WHOLE = "sparse, whole last layer"

# Tokens of MNLI's examples (bert-base-uncased, 9,999 rows): 32 quantiles, so that a batch has the whole distribution.
# Padded to the longest it is 2.30 times as large; batches of 32 at random are 2.28 times on average.
MNLI = [13, 16, 18, 20, 21, 23, 24, 26, 27, 29, 30, 31, 33, 34, 35, 37]
MNLI += [38, 40, 41, 43, 44, 46, 47, 49, 51, 53, 56, 58, 62, 67, 74, 92]
BATCHES = {"1 x 128": [128], "8 x 128": [128] * 8, "32 of MNLI": MNLI}


@dataclass(frozen=True)
class Goal:
    """How much faster a runtime should be than another."""

    density: float
    batch: str
    runtime: str
    than: str
    factor: float


GOALS = (
    *(Goal(0.03, batch, "sparse", BASELINE, 5.0) for batch in BATCHES),
    *(Goal(0.03, batch, "sparse", BF16, 1.5) for batch in BATCHES),
    *(Goal(0.10, batch, "sparse", BASELINE, 2.5) for batch in BATCHES),
    *(Goal(0.10, batch, "sparse", BF16, 1.0) for batch in BATCHES),
    *(
        Goal(density, batch, runtime, than, 0.95)
        for density in DENSITIES
        for batch in BATCHES
        for runtime, than in (("auto", BASELINE), ("auto", "sparse"))
    ),
    *(
        Goal(density, batch, "auto bf16", than, 0.95)
        for density in DENSITIES
        for batch in BATCHES
        for than in (BASELINE, BF16, "sparse")
    ),
)


def main(quick: bool, as_json: bool) -> None:
    results = []
    for density in DENSITIES:
        ways = runtimes_of(density, layers=2 if quick else 12)
        for batch, lengths in BATCHES.items():
            inputs = random_texts(lengths, VOCABULARY)
            timings, difference = timed(ways, inputs, seconds=1 if quick else 15)
            goals = [goal for goal in GOALS if (goal.density, goal.batch) == (density, batch)]
            results.append(entry(density, batch, timings, difference, goals))
            if not as_json:
                print(shown(results[-1], timings), flush=True)
                missed = {goal["runtime"] for goal in results[-1]["goals"] if not goal["reached"]}
                for way in ways:
                    if way.name in missed:
                        print(operations(way, inputs))
    reached = [goal["reached"] for result in results for goal in result["goals"]]
    if as_json:
        print(json.dumps({"machine": machine(), "results": results}))
    else:
        print(f"{sum(reached)} of {len(reached)} goals reached; {machine()}")


def runtimes_of(density: float, layers: int) -> list[Contender]:
    """The contenders over BERT-base's shape with random weights and masks."""
    torch.manual_seed(0)
    model = BertForMaskedLM(BertConfig(vocab_size=VOCABULARY, num_hidden_layers=layers)).requires_grad_(False)
    for linear in encoder_linears(model).values():
        linear.weight *= torch.rand(linear.weight.shape) < density
    dense = SequenceClassifier(model, [5, 6]).eval()
    ways = contenders(dense)
    if density == DENSITIES[0]:
        ways.append(whole_last_layer(with_runtime(dense, "sparse")))
    return ways


def whole_last_layer(model: SequenceClassifier) -> Contender:
    """The classifier with all tokens computed in the last layer, though it reads the first ones alone."""
    return Contender(WHOLE, lambda **inputs: model.form(**inputs)[:, 0], weights_in_memory(model))


def entry(density: float, batch: str, timings: dict[str, Timing], difference: dict[str, float], goals) -> dict:
    """One density and batch, for JSON."""
    checked = []
    for goal in goals:
        measured = timings[goal.than].median / timings[goal.runtime].median
        checked.append(asdict(goal) | {"measured": measured, "reached": measured >= goal.factor})
    return {
        "density": density,
        "batch": batch,
        "seconds": {name: asdict(timing) for name, timing in timings.items()},
        "largest_difference_of_logits": difference,
        "goals": checked,
    }


def shown(result: dict, timings: dict[str, Timing]) -> str:
    """One density and batch, for a reader."""
    rows = [["", "ms", "quartiles", f"x {BASELINE}", f"x {BF16}", "logits off by"]]
    for name, timing in timings.items():
        low, median, high = (f"{1e3 * seconds:.1f}" for seconds in (timing.low, timing.median, timing.high))
        gains = [f"{timings[than].median / timing.median:.2f}" for than in (BASELINE, BF16)]
        rows.append([name, median, f"{low} - {high}", *gains, f"{result['largest_difference_of_logits'][name]:.0e}"])
    verdicts = [
        f"  {'reached' if goal['reached'] else 'MISSED'}: {goal['runtime']} {goal['measured']:.2f}x {goal['than']}, "
        f"goal {goal['factor']:g}x"
        for goal in result["goals"]
    ]
    return "\n".join([f"{100 * result['density']:g} %, {result['batch']}", aligned(rows), *verdicts, ""])


@torch.inference_mode()
def operations(way: Contender, inputs: dict[str, torch.Tensor]) -> str:
    """Where the time of one pass goes."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        way.logits(**inputs)
    events = sorted(profiled.key_averages(), key=lambda event: -event.self_cpu_time_total)
    whole = sum(event.self_cpu_time_total for event in events)
    rows = [[event.key, f"{100 * event.self_cpu_time_total / whole:.1f} %", f"{event.count} calls"] for event in events]
    return aligned([[way.name, "share", ""], *rows[:8]]) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time the runtimes on BERT-base's shape.")
    parser.add_argument("--quick", action="store_true", help="2 of the 12 layers and few rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    main(arguments.quick, arguments.json)
