"""One backbone that switches between many masks."""

import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import nn

from emmental import masks
from emmental.common.errors import InputError
from emmental.inference.load import answering
from emmental.inference.pruned import PrunedModel
from emmental.inference.texts import READING
from emmental.masks.resident import ResidentMask
from emmental.models.backbones import Backbone, load_backbone
from emmental.models.heads import HEADS, LabelWordModel, label_word_ids
from emmental.pruning.masked_linear import swap_in
from emmental.pruning.vectors import encoder_vectors, put_vectors


@dataclass(frozen=True)
class _Task:
    """vectors: all norms and biases, the backbone's or trained beside the mask; words: the rows of the vocabulary's
    output layer that its head reads."""

    mask: ResidentMask
    vectors: dict[str, torch.Tensor]
    head: LabelWordModel
    words: nn.Linear


class MaskedBackbone:
    """One set of frozen weights, many tasks: masks stay in memory as packed bits and are switched by name.

    The weights themselves never change; the active mask is multiplied in anew in every forward pass, and a mask whose
    norms and biases were trained brings them along. What ``activate`` returns goes on answering for its own task
    whatever is activated later, from several threads, too: a pass switches to its task where another one was active,
    and passes take turns. device: where they are computed; by default where the backbone is.

    >>> from emmental import MaskedBackbone
    >>> backbone = MaskedBackbone("tiny-bert")
    >>> backbone.add("films", "sst2.smp")
    >>> backbone.add("questions", "squad.smp")
    >>> backbone.names()
    ['films', 'questions']
    >>> backbone.activate("films").probabilities(["a good film"]).shape
    (1, 2)
    """

    def __init__(self, backbone: Backbone | str, device: torch.device | str | None = None):
        self.backbone = backbone if isinstance(backbone, Backbone) else load_backbone(backbone)
        self.backbone.model.to(device)
        self._hashes = self.backbone.hashes()
        self._decoder = self.backbone.model.get_output_embeddings()
        self._layers = swap_in(self.backbone.model, scores=False)
        self._vectors = {name: own.clone() for name, own in encoder_vectors(self.backbone.model).items()}
        self._tasks: dict[str, _Task] = {}
        self._active: _Task | None = None
        self._turn = threading.Lock()

    def add(self, name: str, mask: masks.Mask | str | Path, force: bool = False) -> None:
        """Keep a mask, or that of a file, under a name. Raises InputError where it is of another backbone, or its label
        words are no words of it."""
        if not isinstance(mask, masks.Mask):
            mask = masks.load(mask)
        masks.check_backbone(mask.info, self._hashes, force)
        masks.check_matrices(mask.bits, self._layers)
        masks.check_vectors(mask.vectors, self.backbone.model)
        with READING:  # which a tokenizer does for words, too, and then cuts nothing
            word_ids = label_word_ids(self.backbone.tokenizer, list(mask.info.label_words.values()))
        resident = ResidentMask.of(mask)
        with self._turn:
            model = self.backbone.model
            model.set_output_embeddings(self._decoder)
            head = HEADS[mask.info.kind](model, word_ids).eval()  # which narrows the output layer
            vectors, words = self._vectors | mask.vectors, model.get_output_embeddings()
            self._tasks[name] = _Task(resident, vectors, head, words)
            self._active = None

    def names(self) -> list[str]:
        """The tasks that can be activated, in the order they were added."""
        return list(self._tasks)

    def activate(self, name: str) -> PrunedModel:
        """Switch to a task, and give what answers for it from now on. Raises InputError where there is none."""
        self._check_names([name])
        task = self._tasks[name]
        with self._turn:
            self._switch(task)
        return answering(_OfTask(self, task), self.backbone.tokenizer, task.mask.info, task.mask)

    def predict(self, requests: Iterable[tuple[str, ...]]) -> list:
        """The answers to requests of any tasks, in their order: each is (task, text), or (task, text, second text)
        where the task is about pairs or questions. Each task's texts are computed together, as its ``predict`` would.

        Raises InputError for tasks that there are not, and for what a task's own ``predict`` refuses.

        >>> from emmental import MaskedBackbone
        >>> backbone = MaskedBackbone("tiny-bert")
        >>> backbone.add("films", "sst2.smp")
        >>> len(backbone.predict([("films", "a good film"), ("films", "a bad film")]))
        2
        """
        requests, places = list(requests), defaultdict(list)
        for place, request in enumerate(requests):
            if not isinstance(request, tuple | list) or len(request) not in (2, 3):
                raise InputError(f"request {place + 1}: (task, text) or (task, text, second text), not {request!r:.50}")
            places[request[0]].append(place)
        self._check_names(places)
        answers = [None] * len(requests)
        for name in sorted(places, key=lambda name: self._tasks[name] is not self._active):  # needs no switch
            of_task = [requests[place][1:] for place in places[name]]
            if len(set(map(len, of_task))) > 1:
                raise InputError(f"{name}: all its requests have one text, or all have two")
            found = self.activate(name).predict(*map(list, zip(*of_task, strict=True)))
            for place, answer in zip(places[name], found, strict=True):
                answers[place] = answer
        return answers

    def to(self, device: torch.device | str) -> Self:
        """The same, computed there from now on."""
        with self._turn:
            for module in (self.backbone.model, self._decoder, *(task.words for task in self._tasks.values())):
                module.to(device)
            self._active = None
        return self

    def _check_names(self, names: Iterable[str]) -> None:
        unknown = [name for name in names if name not in self._tasks]
        if unknown:
            named = ", ".join(map(repr, unknown))
            raise InputError(f"no task {named} was added: there are {', '.join(self._tasks) or 'none'}")

    def _switch(self, task: _Task) -> None:
        if task is self._active:
            return
        for matrix, layer in self._layers.items():
            layer.mask = task.mask.bits(matrix).to(layer.mask.device)
        put_vectors(task.vectors, self.backbone.model)
        self.backbone.model.set_output_embeddings(task.words)
        self._active = task


class _OfTask(nn.Module):
    """A task's head over the shared backbone, which computes each pass with the task's own mask."""

    def __init__(self, shared: MaskedBackbone, task: _Task):
        super().__init__()
        self.shared, self.task = shared, task
        self.head = task.head

    def to(self, device: torch.device | str) -> "_OfTask":
        """Moves what all tasks share."""
        self.shared.to(device)
        return self

    def forward(self, **inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        """As of the task's head."""
        with self.shared._turn:
            self.shared._switch(self.task)
            return self.head(**inputs)
