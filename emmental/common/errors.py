"""The one exception for what a user can mend, and how a script ends on it."""

import contextlib
import os
import signal
import sys
import time

BAD_INPUT, STOPPED = 2, 143  # exit statuses: of an InputError, and of a run that saved itself on SIGTERM
PATIENCE = 10  # seconds


class InputError(Exception):
    """Bad input: the message names the thing, its place and what would be right."""


@contextlib.contextmanager
def exit_on_input_error():
    """Turn an InputError into its message on standard error and exit status 2.

    Of several processes the first speaks for all: the others mostly fail of the same thing and wait to be ended, and
    only give their own message where that does not happen.
    """
    try:
        yield
    except InputError as error:
        if os.environ.get("RANK", "0") != "0":
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            time.sleep(PATIENCE)
        print(f"error: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
