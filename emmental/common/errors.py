"""The one exception for what a user can mend, and how a script ends on it."""

import contextlib
import errno
import os
import signal
import sys
import threading
import time

# Exit statuses: of an InputError, of a run that saved itself on SIGTERM, and where nobody reads what is printed.
BAD_INPUT, STOPPED, UNREAD = 2, 143, 141
PATIENCE = 30  # seconds, within which torchrun ends the other processes of a run, on a busy machine, too


# How the system and torch's writer, which does not pass the system's words on, say that a file cannot be had.
REFUSALS = (
    *map(os.strerror, (
        errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR,
        errno.ENAMETOOLONG, errno.EEXIST, errno.EIO,
    )),
    "PytorchStreamWriter", "inline_container", "iostream error",
)  # fmt: skip
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

    So ends what the file system refuses, too, whichever library was writing. Of several processes the first speaks for
    all: the others mostly fail of the same thing and wait to be ended, and only give their own message where that does
    not happen.
    """
    threading.excepthook = _of_a_thread
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
    except Exception as error:
        if not (refusal := file_system_refusal(error)):
            raise
        print(printable(f"error: {refusal}"), file=sys.stderr)
        sys.exit(BAD_INPUT)
    finally:
        threading.excepthook = threading.__excepthook__


def _of_a_thread(ended) -> None:
    """No traceback of a thread that could not write: TensorBoard's hands that on to the main one."""
    if not file_system_refusal(ended.exc_value):
        threading.__excepthook__(ended)


def file_system_refusal(error: BaseException) -> str:
    """What the system has against a file, where that ended the program, whichever library was writing; else empty."""
    found = error
    while found and not any(words in str(found) for words in REFUSALS):
        found = found.__cause__ or found.__context__
    if not found:
        return ""
    return f"a file cannot be written or read: {reason(found)}. What was there before is whole; mend it and repeat"
