"""``emmental.prune``: data sets in memory to a pruned model, by the same training as the command's."""

import contextlib
import copy
import json
import random
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from emmental.common.errors import InputError, refusing
from emmental.inference import subjects
from emmental.inference.load import load_pruned
from emmental.inference.pruned import PrunedModel
from emmental.launch.jobs import pruning_job
from emmental.models.backbones import Backbone, load_tokenizer, set_dropout
from emmental.recipes.settings import BackboneArguments, SentenceDataArguments, check_task_label
from emmental.recipes.table import CUSTOM
from emmental.recipes.tags import Tag
from emmental.scripts.arguments import parse
from emmental.scripts.glue import as_problem, sources
from emmental.tasks import sentences
from emmental.tasks.label_map import parse_label_map
from emmental.tasks.problem import Problem
from emmental.tasks.sentence_task import with_words
from emmental.training import claim
from emmental.training.config import SMPConfig
from emmental.training.run import run

Rows = Dataset | Iterable[dict]
# Flags of the command that prune() has arguments for, or no use.
GIVEN = (
    "task_name", "model_name_or_path", "data_dir", "train_file", "validation_file", "test_file",
    "dataset_name", "dataset_config", "final_threshold", "label_map", "teacher_model_name_or_path", "use_mask_pt",
    "do_predict",
)  # fmt: skip


def prune(
    model: str | PreTrainedModel | Backbone,
    train_dataset: Rows,
    eval_dataset: Rows,
    density: float = 0.1,
    *,
    label_words: dict | None = None,
    text_column: str | None = None,
    text_pair_column: str | None = None,
    label_column: str | None = None,
    teacher: str | None = None,
    output_dir: str | Path | None = None,
    **settings,
) -> PrunedModel:
    """A mask for a task of one's own, learned from labelled texts, on its backbone and ready to answer.

    model: folder or Hub name of a masked LM, ``minilm``, or one that is loaded, which stays as it is. The data sets are
    those of ``datasets``, or lists of dictionaries; their columns are by default text, else sentence, and label, else
    labels. What is asked for is read from them: names or whole numbers are classes, numbers with a point values, lists
    several labels, and lists of tags beside lists of words a tag for each word. density: the share of the encoder's
    weights that remains. label_words: label to word; by default they are found. teacher: folder or Hub name of a model
    that was fine-tuned for the task, to learn from. output_dir: where the run leaves its files, and from which a
    stopped one goes on; by default nothing is kept on disk. settings: flags of the command by their names, such as
    num_train_epochs, max_steps, seed, task_label or bf16. What is not given is as ``run.sh custom_<density>_mag`` has
    it, with a teacher ``_lkd_mag``; the mask is that command's bit for bit.

    ``results`` of what is returned has the run's figures. Random generators, progress bars and the handler of SIGTERM
    are left as they were found. Raises InputError for what cannot be done as asked, before anything is trained.

    >>> import emmental
    >>> rows = [{"text": f"a {word} film", "label": word} for word in ("good", "bad")] * 20
    >>> pruned = emmental.prune("tiny-bert", rows, rows, density=0.5, max_steps=4)  # doctest: +ELLIPSIS
    custom with SMP-S (soft), p = 1...
    >>> pruned.labels
    ['bad', 'good']
    >>> pruned.predict(["a good film"])[0] in pruned.labels
    True
    """
    backbone = None if isinstance(model, str) else loaded(model)
    columns = {"text_column": text_column, "text_pair_column": text_pair_column, "label_column": label_column}
    with _folder(output_dir) as folder:
        settings = settings | columns | {"output_dir": str(folder)}
        words = command(backbone.name if backbone else model, density, teacher, label_words, settings)
        base, data, config = parse((BackboneArguments, SentenceDataArguments, SMPConfig), "emmental.prune", words)
        config.check()
        check_task_label(data)
        if backbone and not config.freeze_bert:
            raise InputError("a method that trains weights loads the model itself: give its name")
        with _left_as_it_was(config.device):
            problem = problem_of(data, train_dataset, eval_dataset)
            results = run(config, base, problem, backbone and copied(backbone, config.dropout))
            pruned = load_pruned(subjects.find(str(folder)).path, backbone and copied(backbone))
    pruned.results = results
    return pruned.to(config.device)


def loaded(model: PreTrainedModel | Backbone) -> Backbone:
    """A loaded model as a backbone. Raises InputError where it is no masked LM in float32."""
    if isinstance(model, Backbone):
        return model
    if not isinstance(model, PreTrainedModel) or model.get_output_embeddings() is None:
        raise InputError(
            f"{type(model).__name__}: a masked LM is needed, as AutoModelForMaskedLM loads it, or the name of one"
        )
    if model.dtype != torch.float32:
        raise InputError(f"the model is in {model.dtype}: scores are learned beside weights in float32")
    name, revision = model.name_or_path, getattr(model.config, "_commit_hash", None) or ""
    return Backbone(model, load_tokenizer(name), name, revision, random_head=False)


def copied(backbone: Backbone, dropout: float | None = None) -> Backbone:
    """The same to be used up. dropout: of its training mode, by default its own."""
    model = copy.deepcopy(backbone.model)
    if dropout is not None:
        set_dropout(model.config, dropout)
        again = type(model)(model.config)  # where dropout is read from the config
        again.load_state_dict(model.state_dict())
        model = again
    return replace(backbone, model=model)


def command(name: str, density: float, teacher: str | None, label_words: dict | None, settings: dict) -> list[str]:
    """The command's flags for prune()'s arguments. Raises InputError for a setting that is one of these."""
    for setting in GIVEN:
        if setting in settings:
            raise InputError(f"{setting}: prune() has arguments for model, data, density, label words and teacher")
    tag = Tag("", CUSTOM, density, roberta=False, kd=bool(teacher), mag=True, lkd=bool(teacher))
    flags = pruning_job(tag).flags | {"--model_name_or_path": name, "--report_to": "none"}
    if teacher:
        flags["--teacher_model_name_or_path"] = teacher
    if label_words:
        flags["--label_map"] = json.dumps({str(label): word for label, word in label_words.items()})
    for setting, value in settings.items():
        if value is not None:
            flags[f"--{setting}"] = json.dumps(value) if isinstance(value, dict) else str(value)
    return [f"{flag}={value}" if value else flag for flag, value in flags.items()]  # one without a value is a switch


def problem_of(
    data: SentenceDataArguments, train: Rows, evaluation: Rows
) -> Callable[[PreTrainedTokenizerBase], Problem]:
    """The task of these examples, once there is a tokenizer. Raises InputError for what is wrong with them."""
    given = as_dataset(train, "the training data"), as_dataset(evaluation, "the validation data")
    task, examples, validation = sentences.from_datasets(data.task_label, *given, sources(data))
    if data.label_map:
        task = with_words(task, parse_label_map(data.label_map))
    return lambda tokenizer: as_problem(task, examples, validation, tokenizer, data.max_seq_length)


def as_dataset(rows: Rows, name: str) -> Dataset:
    """The rows as a data set of ``datasets``. Raises InputError where they cannot be one."""
    if isinstance(rows, Dataset):
        return rows
    if not (rows := list(rows)):
        raise InputError(f"{name}: no examples in it")
    with refusing(f"{name}: a datasets.Dataset or a list of dictionaries with the same keys is needed"):
        return Dataset.from_list(rows)


@contextlib.contextmanager
def _folder(asked: str | Path | None) -> Iterator[Path]:
    """The output folder: that asked for, or one for as long as the context is open. Others may have it afterwards."""
    with contextlib.ExitStack() as stack:
        folder = Path(asked or stack.enter_context(tempfile.TemporaryDirectory(prefix="smp-")))
        stack.callback(claim.release, folder)
        yield folder


@contextlib.contextmanager
def _left_as_it_was(device: torch.device) -> Iterator[None]:
    """While it is open, training may draw random numbers, hide bars and wait for SIGTERM: of all that nothing stays."""
    hidden, handler = datasets.are_progress_bars_disabled(), signal.getsignal(signal.SIGTERM)
    drawn, numbers = random.getstate(), np.random.get_state()
    places = [device] if device.type in ("cuda", "xpu") else []
    datasets.disable_progress_bars()
    try:
        with torch.random.fork_rng(places, device_type=device.type if places else "cuda"):
            yield
    finally:
        random.setstate(drawn)
        np.random.set_state(numbers)
        if not hidden:
            datasets.enable_progress_bars()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)
