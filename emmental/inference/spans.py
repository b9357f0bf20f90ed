"""A pruned model that answers questions from a text: spans of the context, best first."""

from collections.abc import Sequence

import numpy as np
import torch
from datasets import Dataset
from torch.nn.utils.rnn import pad_sequence

from emmental.common.errors import InputError
from emmental.common.text import check_text
from emmental.inference.pruned import PrunedModel
from emmental.inference.sentences import finite
from emmental.inference.texts import READING, as_list
from emmental.models.heads import SpanClassifier
from emmental.models.tokenizers import check_length, longest_text
from emmental.tasks import squad
from emmental.tasks.batches import by_length
from emmental.tasks.squad_examples import EXAMPLE


class PrunedSpans(PrunedModel):
    """A question answerer ready to predict."""

    model: SpanClassifier

    def predict(
        self, questions: Sequence[str], contexts: Sequence[str], reading: squad.Reading | None = None
    ) -> list[str]:
        """The best answer to each question from its context. Arguments and errors as of answers."""
        questions, contexts = as_list(questions, "questions"), as_list(contexts, "contexts")
        if len(questions) != len(contexts):
            raise InputError(f"{len(questions)} questions and {len(contexts)} contexts: each needs its own")
        return [best[0]["text"] for best in self._answered(questions, contexts, reading)]

    def answers(self, question: str, context: str, reading: squad.Reading | None = None) -> list[dict]:
        """The n best answers, best first: text, start_logit, end_logit and probability among them. The text may be
        empty where the mask was trained on SQuAD v2.0. Raises InputError for a blank question or context, and for
        windows that the model cannot read.

        >>> from emmental import load_pruned
        >>> best = load_pruned("squad.smp").answers("good or bad", "the film was very funny")[0]
        >>> best["text"] in "the film was very funny"
        True
        """
        return self._answered([question], [context], reading)[0]

    def _answered(self, questions: list[str], contexts: list[str], reading: squad.Reading | None) -> list[list[dict]]:
        rows = []
        for number, (question, context) in enumerate(zip(questions, contexts, strict=True)):
            for place, text in (("the question", question), ("the context", context)):
                check_text(text, place)
                if not text.strip():
                    raise InputError(f"{place} is blank: there is nothing to answer")
            answers = {"text": [], "answer_start": []}
            rows.append({"id": str(number), "question": question, "context": context, "answers": answers})
        if not rows:
            return []
        with READING:
            asked = self.questions(Dataset.from_list(rows, features=EXAMPLE), reading or squad.Reading())
        return list(asked.answers(*self.logits(asked.windows))[1].values())

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
