"""What a virtual router is configured with, and the times that follow from it (RFC 9568 §6.1).

The RFC counts in centiseconds, the router in nanoseconds of a monotonic clock: a 256th of a
centisecond is a whole number of them, but for a half.

Three things differ from the RFC on purpose. Preempt_Mode is off by default: a mail node that comes
back has nothing to gain from moving the address once more. Accept_Mode is always True, so it is no
parameter: the virtual address exists to be served. And what the other one gives up is taken at
once, not after Skew_Time: a pair has one Backup.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import msgspec

Address = IPv4Address | IPv6Address

CENTISECOND = 10_000_000  # nanoseconds
RELEASED = 0  # the priority of a router that gives up: it will not be Active
OWNER = 255  # the priority of the router whose own the addresses are
MAX_INTERVAL = 4095  # centiseconds: twelve bits in §5.2.7


def skew_time(priority: int, interval: int) -> int:
    """Skew_Time in nanoseconds: ((256 - priority) * Active_Adver_Interval) / 256."""
    return (256 - priority) * interval * CENTISECOND // 256


def active_down_interval(priority: int, interval: int) -> int:
    """Active_Down_Interval in nanoseconds: (3 * Active_Adver_Interval) + Skew_Time."""
    return 3 * interval * CENTISECOND + skew_time(priority, interval)


class Announcements(msgspec.Struct, frozen=True):
    """How often gratuitous ARP or unsolicited NA is sent, in centiseconds.

    Once at takeover, `repeats` times every `delay`, because the first may be lost or come before
    a switch port forwards; then every `refresh`, because caches are refilled by others.
    """

    repeats: int = 5
    delay: int = 100
    refresh: int = 6000


class VirtualRouter(msgspec.Struct, frozen=True, kw_only=True):
    """One virtual router as this node sees it (§6.1); raises ValueError for impossible values.

    `interval` is Advertisement_Interval in centiseconds. The addresses may be of both families:
    they move together, so one election decides for all.
    """

    vrid: int
    addresses: tuple[Address, ...]
    priority: int = 100
    interval: int = 10
    preempt: bool = False
    announcements: Announcements = Announcements()

    def __post_init__(self) -> None:
        if not 1 <= self.vrid <= 255:
            raise ValueError(f"vrid {self.vrid} is not between 1 and 255")
        if not 1 <= self.priority <= OWNER:
            raise ValueError(f"priority {self.priority} is not between 1 and {OWNER}")
        if not 1 <= self.interval <= MAX_INTERVAL:
            raise ValueError(f"interval {self.interval} is not between 1 and {MAX_INTERVAL} cs")
        if not self.addresses or len(set(self.addresses)) < len(self.addresses):
            raise ValueError("a virtual router needs one or more different addresses")
        if min(self.announcements.delay, self.announcements.refresh) < 1:
            raise ValueError("announcements need at least 1 cs between them")

    @property
    def active_down_interval(self) -> int:
        """Nanoseconds of silence after which this node takes the addresses, at full health."""
        return active_down_interval(self.priority, self.interval)
