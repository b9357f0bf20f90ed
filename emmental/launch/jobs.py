"""What run.sh, run_squad.sh and run_teacher.sh share: tag and variables to the command of a Python script.

    python -m emmental.launch run.sh mnli_0.03_mag --dry_run

The recipes are in emmental/recipes, the plan that a dry run shows in plan.py, runs of several seeds in seeds.py. Loads
neither torch nor transformers and touches neither model nor data.
"""

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from emmental.common.errors import InputError, exit_on_input_error
from emmental.common.run_folder import RESULTS
from emmental.launch import plan, seeds
from emmental.launch.flags import Flags, read_flags
from emmental.recipes import table, tags
from emmental.recipes.kinds import Kind
from emmental.recipes.methods import FINETUNE, METHODS, SMP, Method
from emmental.recipes.settings import CUSTOM_FLAGS

ROOT = Path(__file__).parents[2]

# The launchers' variables: the flag that each stands for, and what it must be.
COMMON = {
    "MODEL": ("--model_name_or_path", str),
    "DATA_DIR": ("--data_dir", str),
    "OUTPUT_DIR": ("--output_dir", str),
    "EPOCHS": ("--num_train_epochs", float),
    "BATCH_SIZE": ("--per_device_train_batch_size", int),
    "MAX_LENGTH": ("--max_seq_length", int),
    "SEED": ("--seed", int),
    "REPORT_TO": ("--report_to", str),
}
PRUNING = COMMON | {
    "TEACHER": ("--teacher_model_name_or_path", str),
    "LR": ("--mask_scores_learning_rate", float),
    "LAMBDA": ("--final_lambda", float),
    "PRUNING_STEPS": ("--warmup_threshold_step", float),
    "ALPHA_HIDDEN": ("--alpha_hidden", float),
    "NORMS_LR": ("--norms_learning_rate", float),
}
WEIGHTS = {"WEIGHT_LR": ("--learning_rate", float)}  # of the methods that train weights as well
FINETUNING = COMMON | {"LR": ("--learning_rate", float)}
DEFAULTS = {"REPORT_TO": "tensorboard", "SEED": "42"}  # of every launcher; the others are the recipes'
SQUAD = {"DOC_STRIDE": ("--doc_stride", int)}
SHARED_DATA = "data_dir", "train_file", "validation_file", "max_seq_length", "doc_stride"  # with a teacher


@dataclass(frozen=True)
class Job:
    """A run of one of the Python scripts."""

    task: str
    flags: dict[str, str]  # one without a value is a switch
    variables: dict[str, tuple[str, type]]
    rest: tuple[str, ...] = ()  # what stood after the tag; goes through as it is
    teacher: str = ""  # what run_teacher.sh calls the teacher that is made first, where there is none
    processes: int = 1

    def words(self) -> list[str]:
        """All flags as the script gets them."""
        return [word for flag, value in self.flags.items() for word in (flag, value) if word] + [*self.rest]

    def command(self) -> list[str]:
        """The whole command."""
        together = ["-m", "emmental.torchrun", "--nproc_per_node", str(self.processes)] if self.processes > 1 else []
        return ["python", *together, *_script("squad" if is_span(self.task) else "glue"), *self.words()]


def is_span(task: str) -> bool:
    """Whether masked_run_squad.py trains it."""
    return table.kind_of(task) is Kind.SPAN


def _script(name: str) -> list[str]:
    """The script as Python starts it: that of the clone, or where there is none the installed module."""
    path = ROOT / f"masked_run_{name}.py"
    if not path.exists():
        return ["-m", f"emmental.scripts.{name}"]
    return [str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)]


def find_method(name: str) -> Method:
    """The method of that name. Raises InputError where there is none."""
    if name not in METHODS:
        raise InputError(f"METHOD={name}: there are {' '.join(METHODS)}")
    return METHODS[name]


def pruning_job(tag: tags.Tag, method: Method = SMP) -> Job:
    """What a tag means for a method."""
    if not method.prunes:
        return replace(teacher_job(f"{tag.task}_roberta" if tag.roberta else tag.task), variables=COMMON | WEIGHTS)
    if tag.mag and "soft" not in method.allocations:
        raise InputError(f"{tag.text!r}: METHOD={method.name} shares no budget among the matrices: no _mag")
    recipe = table.RECIPES[tag.task]
    flags = task_flags(tag.task, tag.backbone) | {
        "--num_train_epochs": str(table.epochs(tag.task, tag.density)),
        "--per_device_train_batch_size": str(recipe.batch),
        "--final_threshold": str(tag.density),
    }
    if tag.mag:
        p = table.temperature(tag.task, tag.density, tag.kd)
        flags |= {"--magnitude_topk_threshold": "", "--magnitude_topk_threshold_p": f"{p:g}"}
    if tag.roberta:
        flags["--density_schedule"] = "linear"
    if recipe.mask_scale:
        flags |= {"--mask_init": recipe.mask_init, "--mask_scale": f"{recipe.mask_scale:g}"}
    flags |= {"--mask_scores_learning_rate": f"{recipe.learning_rate:g}", "--final_lambda": f"{recipe.final_lambda:g}"}
    if tag.kd:
        flags["--teacher_model_name_or_path"] = teacher_folder(tag.task, tag.roberta)
    variables, teacher = PRUNING | WEIGHTS if method.trains_weights else PRUNING, ""
    if tag.lkd:
        flags |= table.LAYERWISE | {"--num_train_epochs": str(table.LAYERWISE_EPOCHS.get(tag.task, 3))}
        teacher = f"{tag.task}_roberta" if tag.roberta else tag.task
    return Job(tag.task, flags | method.flags, variables, teacher=teacher)


def teacher_job(name: str) -> Job:
    """Dense fine-tuning of the backbone for ``<task>[_roberta]``."""
    task = name.removesuffix("_roberta")
    if task not in table.RECIPES:
        raise InputError(f"{name!r}: no task {task!r}; there are {' '.join(table.RECIPES)}, and <task>_roberta")
    backbone = table.ROBERTA if name != task else table.RECIPES[task].backbone
    flags = task_flags(task, backbone) | {"--pruning_method": FINETUNE.flag}
    flags |= {f"--{setting}": f"{value:g}" for setting, value in table.FINETUNING.items()}
    return Job(task, flags | {"--output_dir": teacher_folder(task, name != task)}, FINETUNING)


def missing_teacher(job: Job, asked: Flags) -> list[Job]:
    """The run that makes a job's own teacher first, of the same data and backbone, and in a short run of as many steps;
    none where there is one, or where the job wants none made."""
    if not job.teacher:
        return []
    teacher = named(teacher_job(job.teacher), job.rest)
    folder = teacher.flags["--output_dir"]
    if asked.settings.teacher_model_name_or_path != folder or (Path(folder) / RESULTS).exists():
        return []
    names = (*SHARED_DATA, *CUSTOM_FLAGS) if job.task == table.CUSTOM else SHARED_DATA
    given = {name: getattr(asked.data, name, None) for name in names}
    shared = {f"--{name}": str(value) for name, value in given.items() if value is not None}
    if asked.settings.max_steps > 0:
        shared["--max_steps"] = str(asked.settings.max_steps)
    return [with_flags(teacher, shared | {"--model_name_or_path": asked.base.model_name_or_path})]


def task_flags(task: str, backbone: str) -> dict[str, str]:
    """What pruning and fine-tuning share: task, backbone and lengths."""
    recipe = table.RECIPES[task]
    flags = {"--doc_stride": str(recipe.stride)} if is_span(task) else {"--task_name": task}
    return flags | {"--model_name_or_path": backbone, "--max_seq_length": str(recipe.max_length)}


def teacher_folder(task: str, roberta: bool) -> str:
    """Where run_teacher.sh leaves a teacher: one per backbone, since student and teacher read the same tokens."""
    return f"teachers/{task}_roberta" if roberta else f"teachers/{task}"


def find_job(launcher: str, name: str, method: str) -> Job:
    """The job that a tag, or a task, means to a launcher. Another method than SMP joins the output folder's name."""
    if launcher == "run_teacher.sh":
        return teacher_job(name)
    tag = tags.parse_tag(name)
    if is_span(tag.task) and launcher == "run.sh":
        raise InputError(f"{name!r}: SQuAD has a launcher of its own: bash run_squad.sh {name}")
    if not is_span(tag.task) and launcher == "run_squad.sh":
        raise InputError(f"{name!r}: {tag.task} is a sentence task: bash run.sh {name}")
    job = pruning_job(tag, find_method(method))
    folder = f"models/{name}" if method == SMP.name else f"models/{name}_{method}"
    return with_flags(job, {"--output_dir": folder})


def named(job: Job, rest: Sequence[str]) -> Job:
    """The job with its task's label in place of ``custom`` in the names of its folders, so that tasks of one's own do
    not meet there. rest: what stands after the tag."""
    if job.task != table.CUSTOM:
        return job
    label = read_flags(list(rest), spans=False).data.task_label
    places = {flag: job.flags[flag] for flag in ("--output_dir", "--teacher_model_name_or_path") if flag in job.flags}
    return with_flags(job, {flag: place.replace(f"/{table.CUSTOM}", f"/{label}", 1) for flag, place in places.items()})


def with_variables(job: Job, environment: Mapping[str, str]) -> Job:
    """The job with the variables that are set. Raises InputError where one is not the number that it must be."""
    variables = job.variables | (SQUAD if is_span(job.task) else {})
    flags = {}
    for name, (flag, kind) in variables.items():
        if value := environment.get(name):
            number(name, value, kind)
            flags[flag] = value
    processes = number("NPROC", environment.get("NPROC") or "1", int)
    if processes < 1:
        raise InputError(f"NPROC={processes}: at least 1 process is needed")
    return replace(job, flags=job.flags | flags, processes=processes)


def number(name: str, value: str, kind: type):
    """A variable's value as this type, else InputError."""
    try:
        return kind(value)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise InputError(f"{name}={value}: {wanted} is needed") from None


def with_seed(job: Job, seed: int) -> Job:
    """The job with this seed, in a folder of its own below the job's."""
    return with_flags(job, {"--seed": str(seed), "--output_dir": f"{job.flags['--output_dir']}/seed_{seed}"})


def with_flags(job: Job, flags: dict[str, str]) -> Job:
    """The job with these flags in place of its own."""
    return replace(job, flags=job.flags | flags)


def launch(launcher: str, words: list[str], environment: Mapping[str, str]) -> None:
    """Show the plan of a dry run, else start the run in this process's place, or one run per seed."""
    environment = DEFAULTS | {name: value for name, value in environment.items() if value}
    dry = "--dry_run" in words or environment.get("DRY_RUN", "0") not in ("", "0")
    name, *rest = [word for word in words if word != "--dry_run"] or [""]
    recipe = named(replace(find_job(launcher, name, environment.get("METHOD") or "smp"), rest=tuple(rest)), rest)
    job = with_variables(recipe, environment)
    asked = read_flags(job.words(), is_span(job.task))
    chosen = [number("SEEDS", seed, int) for seed in environment.get("SEEDS", "").split()]
    if chosen and {word.split("=")[0] for word in rest} & {"--seed", "--output_dir", "--output-dir"}:
        raise InputError("SEEDS gives every run its --seed and --output_dir: set OUTPUT_DIR instead of the flag")
    jobs = [with_seed(job, seed) for seed in chosen] or [job]
    planned, before = plan.plan_of(job.task, asked, job.processes), missing_teacher(job, asked)
    if dry:
        print(plan.show(name, job.task, asked, planned, job.processes, chosen))
        print(*["", *(shlex.join(each.command()) for each in [*before, *jobs])], sep="\n")
        return
    seeds.finish({Path(each.flags["--output_dir"]): each.command() for each in before})
    plan.check_teacher(asked.settings.teacher_model_name_or_path, recipe.flags.get("--teacher_model_name_or_path"))
    if not chosen:
        os.execv(sys.executable, seeds.by_this_python(job.command()))
    again = not {"--overwrite_output_dir", "--do_predict"}.isdisjoint(rest)
    runs = {Path(each.flags["--output_dir"]): each.command() for each in jobs}
    seeds.run(runs, plan.published(job.task, asked), again)


def main(launcher: str, words: list[str]) -> None:
    """Launch, and end with the exit status of what happened. launcher: the script's name, or ``prune`` for the one of
    the tag's task."""
    run_to_end(launch, launcher, words, os.environ)


def run_to_end(function: Callable, *arguments) -> None:
    """Call the function, and end with the exit status of what happened in it."""
    try:
        with exit_on_input_error():
            function(*arguments)
    except KeyboardInterrupt:  # between runs, or while one runs: its own message is enough
        sys.exit(130)
