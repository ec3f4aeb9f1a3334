"""What an update needs of the machine that it is made on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from bundle.judge import Seen


class Node(Protocol):
    """The node of this machine. Everything may raise Refused, OSError."""

    trial: Path
    """The note that a release is on trial."""

    @property
    def configured(self) -> bool:
        """It has settings: there is something to run, and data."""

    def look(self) -> Seen | None:
        """How it is; None if it does not answer."""

    def starts(self) -> int:
        """How often it was started again since it was started."""

    def leave(self) -> None:
        """Hand its addresses and mail to the other node."""

    def stop(self) -> None:
        """End it in order, if it runs."""

    def start(self) -> None:
        """Begin to start the release in use."""

    def put(self, release: Path) -> None:
        """What belongs into the system around it: units, mostly."""

    def migrate(self, release: Path, copying: Callable[[Path], None]) -> None:
        """Have `release` make `X.next` for each database X that it cannot use as it is.

        `copying` hears of X as that begins.
        """

    def digest(self, release: Path, *, upcoming: bool) -> tuple[int, str]:
        """The spool's digest as `release` reads it, with the digest's format."""

    def exposed(self, release: Path) -> int:
        """Messages that the other node may not have, as `release` reads it; while it is stopped."""

    def event(self, **values: object) -> None:
        """Into the node's log; never fails."""


class Clock(Protocol):
    """Time."""

    def wall(self) -> int:
        """Seconds since 1970."""

    def running(self) -> float:
        """Seconds that only go forward."""

    def rest(self) -> None:
        """Wait until it is worth looking again."""
