"""The names of what a run leaves in its output folder, for those that write it and those that read it."""

MASK = "mask.safetensors"  # the result
RESULTS = "all_results.json"  # is there once a run is finished
PAGE = "report.html"  # the run for a reader
SETTINGS = "settings.json"  # what decided the mask
MODEL = "model.safetensors"  # of runs that train weights: what save_pretrained writes
CONFIG = "config.json"
BEST = "best.safetensors"  # the best state so far, while the run goes on
ASIDE = "before"  # a finished run that --overwrite_output_dir is replacing, until the new one is finished
LOCK = ".lock"  # while a run goes on: that it does
SEAL = "sealed"  # in a checkpoint that is whole
NOT_METRICS = ("loss", "runtime", "per_second", "preparation_time")


def metrics(results: dict) -> dict[str, float]:
    """Of what RESULTS holds the metrics by their names, the one first that chose the mask."""
    measured = {
        name.removeprefix("eval_"): value
        for name, value in results.items()
        if name.startswith("eval_") and not name.endswith(NOT_METRICS)
    }
    return dict(sorted(measured.items(), key=lambda one: f"last_eval_{one[0]}" not in results))
