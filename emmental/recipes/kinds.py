"""What kind of answer a task asks for. It decides the head, its losses, and how answers are shown."""

from enum import StrEnum


class Kind(StrEnum):
    """By the name that stands in files."""

    LABEL = "label"  # one of several
    VALUE = "value"  # a number
    SEVERAL = "several"  # of several labels each one that fits, or none
    SPAN = "span"  # where an answer starts and ends in a text
    TOKENS = "tokens"  # a label for each word of a text
