"""Where a training step spends its time: the ten operators that take most, beside those of a dense fine-tuning step.

    python -m benchmarks.training.train_profile

BERT-base's shape, a batch of 32 x 41 tokens (MNLI's median), the second step of each.
"""

import tempfile
from collections.abc import Callable
from contextlib import nullcontext

from torch.profiler import profile

from benchmarks.training.around import Around
from benchmarks.training.training_steps import MNLI, Batch, DenseStep, OurRun, batches

OPERATORS = 10


def our_profile(todo: list[Batch]) -> profile:
    """Of a step of the training run, selection included."""
    recorded = profile()
    with tempfile.TemporaryDirectory() as folder:
        run = OurRun(MNLI, todo, folder)
        run.add_callback(Around([nullcontext(), recorded]))
        run.train()
    return recorded


def dense_profile(todo: list[Batch]) -> profile:
    """Of a dense step on the same batch."""
    step = DenseStep(MNLI)
    step(todo[0])
    with profile() as recorded:
        step(todo[1])
    return recorded


def show(title: str, profiled: Callable[[list[Batch]], profile]) -> None:
    """A table of the operators by the time that they take themselves."""
    operators = profiled(batches(MNLI, 1) * 2).key_averages()
    whole = sum(operator.self_cpu_time_total for operator in operators)
    print(f"\n{title}: {whole / 1e6:.2f} s in operators\n\n| operator | calls | ms | share |\n|---|---|---|---|")
    for operator in sorted(operators, key=lambda operator: -operator.self_cpu_time_total)[:OPERATORS]:
        taken = operator.self_cpu_time_total
        print(f"| {operator.key} | {operator.count} | {taken / 1e3:,.0f} | {100 * taken / whole:.1f} % |")


if __name__ == "__main__":
    show("our step", our_profile)
    show("dense step", dense_profile)
