"""Being run in time: what this process asks of the kernel so that it is not late."""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Iterator

_PRIORITY = 1
"""Of SCHED_RR: the lowest is above every ordinary process."""
_NICE = -20
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4  # sys/mman.h


def hurry() -> Iterator[str]:
    """Ask for a raised scheduling priority and for memory that stays; says what was refused.

    Nothing of it is needed: without it a busy machine may be late, and an address move for it.
    """
    yield from raise_priority()
    yield from _lock_memory()


def raise_priority() -> Iterator[str]:
    """The part of it that is each thread's own; says what was refused.

    A thread that has the interpreter's lock and no processor keeps all others waiting.
    """
    try:
        # Not for the commands that are started from here.
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(_PRIORITY))
    except OSError as error:
        yield f"SCHED_RR: {error.strerror}"
        try:
            os.setpriority(os.PRIO_PROCESS, 0, _NICE)
        except OSError as error:
            yield f"nice {_NICE}: {error.strerror}"


def _lock_memory() -> Iterator[str]:
    """Only without a limit: with one, what does not fit under it would fail later."""
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if os.geteuid() != 0 and limit != resource.RLIM_INFINITY:
        yield f"mlockall: the limit is {limit} bytes"
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT):
        yield f"mlockall: {os.strerror(ctypes.get_errno())}"
