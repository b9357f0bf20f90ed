"""Measurements of benchmark.py for a reader: the table, the JSON, the picture."""

from dataclasses import asdict
from pathlib import Path

import torch
from matplotlib.figure import Figure

from emmental.benchmark.contenders import BASELINE
from emmental.benchmark.measure import Measured
from emmental.benchmark.serving import Served
from emmental.benchmark.timing import Timing
from emmental.common.pictures import save
from emmental.common.text import aligned


def show(measured: Measured, title: str) -> str:
    """Milliseconds of each contender in each setting, memory, sizes, and which one is best."""
    settings = list(measured.timings)
    names = list(measured.memory)
    columns = [f"{texts}x{tokens}" for texts, tokens in settings]
    rows = [["texts x tokens", *columns, "weights", "a pass", "logits off by"]]
    for name in names:
        cells = [milliseconds(measured.timings[setting][name]) for setting in settings]
        memory = _megabytes(measured.memory[name]), _megabytes(measured.peaks[settings[-1]][name])
        rows.append([name, *cells, *memory, f"{measured.difference[name]:.0e}"])
    for name in names[1:]:
        ratios = (timing[BASELINE].median / timing[name].median for timing in measured.timings.values())
        rows.append([f"{name}, gain", *(f"{ratio:.2f}x" for ratio in ratios), "", "", ""])
    fastest = (min(names, key=lambda name: timing[name].median) for timing in measured.timings.values())
    rows.append(["fastest", *fastest, "", "", ""])
    best = measured.best()
    sizes = ", ".join(f"{name} {_megabytes(size)}" for name, size in measured.sizes.items())
    return "\n".join(
        [
            f"{title}: median milliseconds ± half the distance of the quartiles; gain over {BASELINE}; {machine()}",
            f"memory: of the weights, and at most beyond them during a pass of {columns[-1]}",
            aligned(rows),
            f"texts per second, and texts of a pass, where 3 passes in 4 take {1e3 * measured.latency:g} ms at most",
            _served_table(measured),
            *measured.missing,
            f"on disk: {sizes}",
            f"best choice: {best}, {measured.speed(best):.2f}x {BASELINE} (geometric mean)",
        ]
    )


def as_json(measured: Measured) -> dict:
    """All that was measured: seconds and bytes."""
    return {
        "machine": machine(),
        "timings": [
            {
                "texts": texts,
                "tokens": tokens,
                "seconds": {name: asdict(timing) for name, timing in by_name.items()},
                "memory_of_a_pass": measured.peaks[texts, tokens],
            }
            for (texts, tokens), by_name in measured.timings.items()
        ],
        "memory": measured.memory,
        "largest_difference_of_logits": measured.difference,
        "serving": {
            "latency": measured.latency,
            "lengths": [
                {
                    "tokens": tokens,
                    "best": {name: asdict(served) for name, served in by_name.items()},
                    "passes": [
                        {"texts": texts, "seconds": {name: asdict(timing) for name, timing in timings.items()}}
                        for texts, timings in measured.passes[tokens].items()
                    ],
                }
                for tokens, by_name in measured.served().items()
            ],
        },
        "disk": measured.sizes,
        "gain": {name: measured.speed(name) for name in measured.memory},
        "best": measured.best(),
        "missing": measured.missing,
    }


def draw(measured: Measured, title: str, path: Path) -> None:
    """A panel for each setting, a bar for each contender; whiskers are the quartiles. On the right, what is served."""
    texts = list(dict.fromkeys(setting[0] for setting in measured.timings))
    tokens = list(dict.fromkeys(setting[1] for setting in measured.timings))
    size = (1.5 + 3.3 * (len(texts) + 1), 0.9 + (0.7 + 0.35 * len(measured.memory)) * len(tokens))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(tokens), len(texts) + 1, squeeze=False, sharey=True)
    for (batch, length), timing in measured.timings.items():
        _panel(axes[tokens.index(length), texts.index(batch)], timing, f"{batch} x {length} tokens")
    for panel in axes[-1, :-1]:
        panel.set_xlabel("milliseconds")
    for length, served in measured.served().items():
        _served_panel(axes[tokens.index(length), -1], list(measured.memory), served, f"{length} tokens")
    axes[-1, -1].set_xlabel(f"texts per second (a pass) within {1e3 * measured.latency:g} ms")
    figure.suptitle(title)
    save(figure, path)


def machine() -> str:
    """What the timings hold for."""
    threads = torch.get_num_threads()
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{threads} thread{'s' if threads > 1 else ''}, {capability}, torch {torch.__version__}"


def _panel(panel, timing: dict[str, Timing], title: str) -> None:
    medians = [1e3 * own.median for own in timing.values()]
    low = [1e3 * (own.median - own.low) for own in timing.values()]
    high = [1e3 * (own.high - own.median) for own in timing.values()]
    colours = ["tab:green" if median == min(medians) else "lightgrey" for median in medians]
    panel.barh(list(timing), medians, xerr=[low, high], color=colours, ecolor="black", capsize=3)
    for row, (median, above) in enumerate(zip(medians, high, strict=True)):
        label = f"  {median:,.{0 if median > 99 else 1}f} ms, {medians[0] / median:.1f}x"
        panel.text(median + above, row, label, va="center", fontsize="small")
    _frame(panel, max(median + above for median, above in zip(medians, high, strict=True)), title)


def _served_panel(panel, names: list[str], served: dict[str, Served], title: str) -> None:
    rates = [served[name].per_second if name in served else 0.0 for name in names]
    colours = ["tab:green" if rate == max(rates) > 0 else "lightgrey" for rate in rates]
    panel.barh(names, rates, color=colours)
    for row, name in enumerate(names):
        panel.text(rates[row], row, f"  {_per_second(served.get(name))}", va="center", fontsize="small")
    _frame(panel, max(rates) or 1.0, title)


def _frame(panel, longest: float, title: str) -> None:
    """Room for what stands behind the longest bar, the first bar on top, and the title."""
    panel.set_xlim(0, 1.55 * longest)
    if not panel.yaxis_inverted():  # the panels share their axis: once for all
        panel.invert_yaxis()
    panel.set_title(title, fontsize="medium")


def _served_table(measured: Measured) -> str:
    served = measured.served()
    head = ["tokens of a text", *map(str, served)]
    return aligned(
        [head, *([name, *(_per_second(own.get(name)) for own in served.values())] for name in measured.memory)]
    )


def _per_second(served: Served | None) -> str:
    return "none" if served is None else f"{served.per_second:,.{0 if served.per_second > 99 else 1}f} ({served.texts})"


def milliseconds(timing: Timing) -> str:
    """Median ± half the distance of the quartiles."""
    return f"{1e3 * timing.median:.1f} ±{1e3 * (timing.high - timing.low) / 2:.1f}"


def _megabytes(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 1e6:.1f} MB"
