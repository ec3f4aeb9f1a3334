"""What a service may do beyond its user's rights: as little as it needs.

`twinpost node` has what all of its services need together (AmbientCapabilities of its unit); each
gives up at its start what is not its own. Root gives up nothing: there a node runs for tests only.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Collection, Mapping
from enum import IntEnum


class Capability(IntEnum):
    """Numbers of capabilities(7), from linux/capability.h."""

    NET_BIND_SERVICE = 10
    NET_ADMIN = 12
    NET_RAW = 13
    IPC_LOCK = 14
    SYS_NICE = 23


_LISTENS = frozenset({Capability.NET_BIND_SERVICE})
KEPT: Mapping[str, Collection[Capability]] = {
    "failover": frozenset(Capability) - _LISTENS,
    "mail": _LISTENS,
    "balance": _LISTENS,
    "account": _LISTENS,
}
"""By service; all others keep none."""

_VERSION_3 = 0x20080522
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_SYS_CAPGET, _SYS_CAPSET = {"x86_64": (125, 126), "aarch64": (90, 91)}.get(
    os.uname().machine, (None, None)
)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def keep_only(service: str) -> None:
    """Give up all capabilities but those of `service`; programs it starts get none."""
    if os.geteuid() == 0 or _SYS_CAPSET is None:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    kept = sum(1 << one for one in KEPT.get(service, ()))
    header, sets = _Header(_VERSION_3, 0), (_Data * 2)()
    _called(libc.syscall(_SYS_CAPGET, ctypes.byref(header), ctypes.byref(sets)))
    for half, data in enumerate(sets):
        part = kept >> 32 * half & 0xFFFF_FFFF
        data.permitted &= part
        data.effective = data.permitted
        data.inheritable = 0
    _called(libc.syscall(_SYS_CAPSET, ctypes.byref(header), ctypes.byref(sets)))


def _called(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
