"""What ``smp benchmark`` does."""

import json

from emmental.benchmark import measure, report
from emmental.inference import subjects


def run(arguments) -> None:
    mask = subjects.read_mask(arguments.mask, arguments.backbone, arguments.task_name)
    latency = arguments.latency_ms / 1e3
    measured = measure.benchmark(mask, arguments.mask, latency, arguments.backbone, arguments.force)
    title = f"{mask.info.task} at density {mask.density():.4f} on {mask.info.base_model}"
    picture = arguments.mask.with_name("benchmark.png")
    report.draw(measured, f"{title}\n{report.machine()}", picture)
    if arguments.json:
        print(json.dumps(report.as_json(measured)))
    else:
        print(report.show(measured, title))
        print(f"picture: {picture}")
