"""The one exception for what a user can mend, and how a script ends on it."""

import contextlib
import os
import signal
import sys
import time

# Exit statuses: of an InputError, of a run that saved itself on SIGTERM, and where nobody reads what is printed.
BAD_INPUT, STOPPED, UNREAD = 2, 143, 141
PATIENCE = 10  # seconds


class InputError(Exception):
    """Bad input: the message names the thing, its place and what would be right."""


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
        print(f"error: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still to be flushed
        sys.exit(UNREAD)
