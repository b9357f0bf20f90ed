"""What ``smp benchmark`` does."""

import json

from emmental.benchmark import report, timing
from emmental.inference import subjects


def run(arguments) -> None:
    mask = subjects.read_mask(arguments.mask, arguments.backbone, arguments.task_name)
    measured = timing.benchmark(mask, arguments.mask, arguments.backbone, arguments.force)
    title = f"{mask.info.task} at density {mask.density():.4f} on {mask.info.base_model}"
    picture = arguments.mask.with_name("benchmark.png")
    report.draw(measured, f"{title}\n{report.machine()}", picture)
    if arguments.json:
        print(json.dumps(report.as_json(measured)))
    else:
        print(report.show(measured, title))
        print(f"picture: {picture}")
