"""The words that start runs of a comparison, what they leave, and what is drawn of it."""

from emmental.common.files import write_json


def last(words, flag):
    """The value that counts."""
    return words[len(words) - 1 - words[::-1].index(flag) + 1]


def finished(output, folder, density, *metrics, **results):
    """What runs of a contestant leave in its folder, a seed for each metric."""
    for seed, value in enumerate(metrics):
        run = {
            "task": "sst2", "model": "m", "density": density, "seed": seed, "eval_accuracy": value,
            "majority_eval_accuracy": 0.5,
            "trained_parameters": 1000, "global_step": 9, "seconds": 1.25 + seed,
            **dict.fromkeys(("torch", "transformers", "python", "commit", "command"), ""), **results,
        }  # fmt: skip
        (output / folder / f"seed_{seed}").mkdir(parents=True)
        write_json(output / folder / f"seed_{seed}" / "all_results.json", run)


def drawn(axes):
    """Points of each line in a panel, by label; of horizontal lines their height."""
    found = {bars.get_label(): bars.lines[0] for bars in axes.containers}
    lines = {name: [(float(x), float(y)) for x, y in line.get_xydata()] for name, line in found.items()}
    flat = {line.get_label(): line.get_ydata()[0] for line in axes.lines if not line.get_label().startswith("_")}
    return lines, flat
