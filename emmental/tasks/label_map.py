"""Label words that a user gives: a dictionary from labels to words as text."""

import ast
import json

from emmental.common.errors import InputError
from emmental.tasks.rows import parse_json


def parse_label_map(text: str) -> dict:
    """A dictionary label -> word from JSON or a Python literal; nothing is evaluated."""
    try:
        label_map = parse_json(text, "--label_map")
    except json.JSONDecodeError:
        try:
            label_map = ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):  # the last two for endless nesting
            raise InputError(f"--label_map {text}: neither JSON nor a Python dictionary") from None
    if not isinstance(label_map, dict):
        raise InputError(f"--label_map {text}: a dictionary from labels to words is expected")
    return label_map
