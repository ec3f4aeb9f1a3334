"""What schedules may contain: one plan for each kind of trouble, and one with all of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """`faults` strike `strikes` times in all, `operators` act up to `acts` times."""

    faults: tuple[str, ...] = ()
    strikes: tuple[int, int] = (1, 3)
    operators: tuple[str, ...] = ()
    acts: int = 4
    messages: int = 12
    duration: int = 60_000
    trouble: float = 0.3
    large: float = 0.2
    keep: int = 1_000
    """How many segments the journal keeps though both nodes hold them."""
    sweep: int | None = None
    """Milliseconds for which ended messages are kept; None for ever."""
    addresses: int = 0
    """Virtual addresses, each with a virtual router; 0: no failover processes."""
    site: int = 0
    """So many times at most operators change the site."""


COMMANDS = ("hold", "release", "retry", "redirect", "remove")
DISK_LOSSES = ("restore", "install anew", "replace")
"""Faults after which a disk lacks what it held: at most one of them in a schedule."""
CRASHES = ("kill", "kill both", "delivery", "power", "power both", "power in commit")
LINK = ("cut", "flap", "slow", "split", "cut frame", "power at frame")
STOPS = ("stop", "pause", "no delivery")
DISK = ("bad sync", "bad write", "disk full")
DEATHS = ("long death", "succession")
ALL = CRASHES + LINK + STOPS + DISK + DEATHS
PATHS = ("lossy path", "lossy", "dark path", "dark", "disorder", "replay")
FAILOVER = (*PATHS, "freeze", "failover", "total split")
MOVES = ("switchover", "maintenance")
"""What operators do with the addresses."""

PLANS = {
    "quiet": Plan(),
    "operators": Plan(operators=(*COMMANDS, "hand over", "take over"), acts=12),
    **{name: Plan((name,)) for name in ALL},
    **{name: Plan((name,), strikes=(1, 1)) for name in DISK_LOSSES},
    "crashes": Plan(CRASHES, strikes=(2, 5)),
    "bodies": Plan(("cut frame", "power at frame", "flap"), large=0.9),
    "pruned": Plan(
        ("long death", "cut", "install anew", "replace", "slow", "cut frame"),
        strikes=(2, 4),
        keep=3,
    ),
    "planned": Plan(operators=("hand over", "stand aside"), acts=6),
    "hand over": Plan((*CRASHES, *LINK), operators=("hand over", "stand aside"), acts=6),
    "take over": Plan((*DEATHS, "split"), operators=("take over",), acts=6),
    "swept": Plan(ALL + DISK_LOSSES, keep=3, sweep=0),
    "moves": Plan(operators=MOVES, acts=5, addresses=1),
    "paths": Plan(PATHS, strikes=(2, 5), addresses=1),
    "takeover": Plan(
        ("kill", "power", "pause", "stop", "freeze", "failover", "replay"),
        strikes=(1, 3),
        addresses=1,
    ),
    "total split": Plan(("total split",), strikes=(1, 2), addresses=2),
    "active-active": Plan(
        (*FAILOVER, *CRASHES, *LINK, *STOPS, *DEATHS),
        strikes=(2, 5),
        operators=(*MOVES, "hand over", "take over"),
        addresses=2,
    ),
    "site": Plan(operators=("hand over",), acts=2, messages=2, site=20),
    "site apart": Plan(
        (*LINK, *DEATHS, "split", "split"),
        strikes=(1, 3),
        operators=("take over",),
        acts=2,
        messages=3,
        site=20,
    ),
    "site and disks": Plan(
        (*ALL, *DISK_LOSSES), strikes=(1, 4), messages=4, keep=5, sweep=5_000, site=20
    ),
    "wild": Plan(
        ALL + DISK_LOSSES,
        strikes=(2, 5),
        operators=(*COMMANDS, "hand over", "stand aside", "take over"),
        keep=10,
        sweep=20_000,
    ),
}
