"""Two questions on a text with what is awkward in texts: line ends, curly quotes, blanks around a question."""

import json

CONTEXT = "Ada Lovelace wrote notes,\r\nin 1843, on the “engine” of Babbage."
QUESTIONS = [
    {"id": "q1", "question": "Who wrote?", "text": "Ada Lovelace", "answer_start": 0},
    {"id": "q2", "question": "  When?", "text": "1843", "answer_start": 30},
]
ASKED = [{"id": row["id"], "question": row["question"], "context": CONTEXT} for row in QUESTIONS]
PLACES = [(row["text"], row["answer_start"]) for row in QUESTIONS]
EXAMPLES = [row | {"answers": {"text": [t], "answer_start": [s]}} for row, (t, s) in zip(ASKED, PLACES, strict=True)]
FLAT = [row | {"answer_text": t, "answer_start": s} for row, (t, s) in zip(ASKED, PLACES, strict=True)]


def official(*questions):
    """The nested form, one paragraph; questions as in QUESTIONS, or without text for unanswerable ones."""
    qas = [row | {"answers": [row] if "text" in row else []} for row in questions]
    return json.dumps({"version": "1.1", "data": [{"title": "A", "paragraphs": [{"context": CONTEXT, "qas": qas}]}]})
