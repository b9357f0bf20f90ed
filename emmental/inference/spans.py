"""A pruned model that answers questions from a text: spans of the context, best first."""

from dataclasses import dataclass

import numpy as np
import torch
from datasets import Dataset
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase

from emmental import masks
from emmental.common.errors import InputError
from emmental.common.text import check_text
from emmental.inference.sentences import finite
from emmental.models.heads import SpanClassifier
from emmental.models.tokenizers import check_length, longest_text
from emmental.tasks import squad
from emmental.tasks.batches import by_length
from emmental.tasks.squad_examples import EXAMPLE


@dataclass
class PrunedSpans:
    """A question answerer ready to predict."""

    model: SpanClassifier
    tokenizer: PreTrainedTokenizerBase
    info: masks.MaskInfo

    def answers(self, question: str, context: str, reading: squad.Reading | None = None) -> list[dict]:
        """The n best answers, best first: text, start_logit, end_logit and probability among them. The text may be
        empty where the mask was trained on SQuAD v2.0. Raises InputError for a blank question or context, and for
        windows that the model cannot read.

        >>> from emmental import load_pruned
        >>> best = load_pruned("squad.smp").answers("good or bad", "the film was very funny")[0]
        >>> best["text"] in "the film was very funny"
        True
        """
        for place, text in (("the question", question), ("the context", context)):
            check_text(text, place)
            if not text.strip():
                raise InputError(f"{place} is blank: there is nothing to answer")
        row = {"id": "", "question": question, "context": context, "answers": {"text": [], "answer_start": []}}
        questions = self.questions(Dataset.from_list([row], features=EXAMPLE), reading or squad.Reading())
        return questions.answers(*self.logits(questions.windows))[1][""]

    def questions(self, examples: Dataset, reading: squad.Reading) -> squad.Questions:
        """Examples as this model reads them. Raises InputError where the windows are too long for it, or too short."""
        check_length(reading.max_length, longest_text(self.model, self.tokenizer), "the model")
        return squad.Questions(squad.TASKS[self.info.task], examples, self.tokenizer, reading)

    @torch.inference_mode()
    def logits(self, windows: Dataset) -> tuple[np.ndarray, np.ndarray]:
        """Start and end logits float32 [windows, longest], padded at the end with 0, of unpadded windows."""
        starts, ends = [None] * len(windows), [None] * len(windows)
        place = next(self.model.parameters()).device
        for rows, inputs in by_length(windows, self.tokenizer):
            outputs = self.model(**inputs.to(place))
            for row, start, end in zip(rows, outputs["start_logits"], outputs["end_logits"], strict=True):
                starts[row], ends[row] = start, end
        return tuple(finite(pad_sequence(side, batch_first=True).cpu()).numpy() for side in (starts, ends))
