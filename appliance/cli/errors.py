"""How the command line fails: what went wrong, what to do next, and an exit code that says more.

The codes are those of sysexits(3), so that scripts and mail programs know them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes.

    NEGATIVE: the command worked and its answer is no: not healthy, refused, not all of it done.
    TEMPORARY: the same command may work later. UNAVAILABLE: the node or server is not there.
    """

    OK = 0
    NEGATIVE = 1
    USAGE = 64
    BAD_DATA = 65
    NO_INPUT = 66
    UNAVAILABLE = 69
    SOFTWARE = 70
    CANNOT_WRITE = 73
    IO_ERROR = 74
    TEMPORARY = 75
    NO_PERMISSION = 77
    BAD_CONFIG = 78
    INTERRUPTED = 130


class CliError(Exception):
    """The command cannot go on: `what` is wrong, `hint` says what to do."""

    def __init__(self, what: str, hint: str, code: Exit) -> None:
        super().__init__(what)
        self.hint = hint
        self.code = code


@contextmanager
def node_errors() -> Iterator[None]:
    """Turn what the control client raises into `CliError`."""
    from appliance.control.client import ApiError, NotRunning

    codes = {
        "bad_request": Exit.USAGE,
        "forbidden": Exit.NO_PERMISSION,
        "unauthorized": Exit.NO_PERMISSION,
        "too_often": Exit.TEMPORARY,
        "not_found": Exit.NEGATIVE,
        "refused": Exit.NEGATIVE,
        "unavailable": Exit.TEMPORARY,
    }
    try:
        yield
    except NotRunning as error:
        hint = "start the node with `twinpost node`, or name another one with --data"
        raise CliError(str(error), hint, Exit.UNAVAILABLE) from error
    except ApiError as error:
        failure = error.failure
        code = codes.get(failure.code, Exit.SOFTWARE)
        raise CliError(failure.error, failure.hint, code) from error


@contextmanager
def config_errors() -> Iterator[None]:
    """Turn a settings file's mistakes into `CliError`."""
    from appliance.config import ConfigError

    try:
        yield
    except ConfigError as error:
        hint = "correct it, then try `twinpost config check`"
        raise CliError(str(error), hint, Exit.BAD_CONFIG) from error
