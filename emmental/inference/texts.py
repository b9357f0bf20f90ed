"""What models are asked, checked before it is read: texts are texts, and as many and as long as they may be."""

import threading
from collections.abc import Sequence

from emmental.common.errors import InputError
from emmental.common.text import check_text
from emmental.tasks import glue

LENGTH = 128  # tokens that a sentence task's texts are cut to, where the model reads so many
READING = threading.Lock()  # while a tokenizer reads: the length that it cuts to is a state that threads share


def as_list(texts: Sequence[str], name: str = "texts") -> list[str]:
    """The texts of any sequence: list, tuple, array, column. Raises InputError for one text alone, for what is no text,
    and for half characters, as undecodable bytes of a command line become."""
    if isinstance(texts, str | bytes):
        raise InputError(f"{name}: a list of texts is needed, not one text")
    texts = list(texts)
    for number, text in enumerate(texts, 1):
        check_text(text, f"{name}, number {number}")
    return [str(text) for text in texts]


def check_pairs(task: str, texts: list[str], pairs: list[str] | None) -> None:
    """Raise InputError where pairs lack, or a task wants none. Of a task without a recipe it is not known."""
    if pairs is not None and len(pairs) != len(texts):
        raise InputError(f"{len(texts)} texts and {len(pairs)} second texts: each needs its own")
    wanted = len(glue.TASKS[task].texts) if task in glue.TASKS else None
    if wanted not in (None, 1 if pairs is None else 2):
        how = "pairs of texts: give two for each, with --tsv parted by a tab" if wanted == 2 else "single texts"
        raise InputError(f"{task} is about {how}")
