"""The one exception for what a user can mend, and how a script ends on it."""

import contextlib
import os
import signal
import sys
import time

# Exit statuses: of an InputError, of a run that saved itself on SIGTERM, and where nobody reads what is printed.
BAD_INPUT, STOPPED, UNREAD = 2, 143, 141
PATIENCE = 10  # seconds


LONGEST_REASON = 300  # characters of a library's message


class InputError(Exception):
    """Bad input: the message names the thing, its place and what would be right."""


@contextlib.contextmanager
def refusing(what: str):
    """Make an InputError of whatever else libraries raise on a file that anybody may have written. ``what`` names the
    file and what it cannot be."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{what}: {reason(error)}") from None


def reason(error: Exception) -> str:
    """An exception's message in one line that is not too long; its type where it has none."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= LONGEST_REASON else words[:LONGEST_REASON] + "…"


def printable(text: str) -> str:
    """The text with what is no character escaped: a name out of a file must not move a terminal's cursor."""
    return "".join(sign if sign.isprintable() or sign == "\n" else ascii(sign)[1:-1] for sign in text)


@contextlib.contextmanager
def exit_on_input_error():
    """Turn an InputError into its message on standard error and exit status 2; end silently where the reader of the
    output has gone, as ``head`` does.

    Of several processes the first speaks for all: the others mostly fail of the same thing and wait to be ended, and
    only give their own message where that does not happen.
    """
    try:
        yield
        sys.stdout.flush()
    except InputError as error:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1 and os.environ.get("RANK", "0") != "0":
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            time.sleep(PATIENCE)
        print(printable(f"error: {error}"), file=sys.stderr)
        sys.exit(BAD_INPUT)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still to be flushed
        sys.exit(UNREAD)
