"""The one exception for what a user can mend, and how a script ends on it."""

import contextlib
import sys


class InputError(Exception):
    """Bad input: the message names the thing, its place and what would be right."""


@contextlib.contextmanager
def exit_on_input_error():
    """Turn an InputError into its message on standard error and exit status 2."""
    try:
        yield
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
