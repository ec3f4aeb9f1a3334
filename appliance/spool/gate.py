"""Whether a message may be accepted now: the disk's reserve, and the site's policy when alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from appliance.mail.reply import Refused, Reply
from appliance.replica.pair import Mode

_LOOK_EVERY = 10
"""Milliseconds: a fast disk fills at 1 GB/s, so by 10 MB, a part of any sensible reserve."""
_FULL = Refused(
    Reply(452, "4.3.1", "insufficient system storage"),
    "free space on the spool's disk; mail accepted before is safe and goes on being delivered",
)
_ALONE = Refused(
    Reply(452, "4.3.2", "the other node is away and this site accepts no mail alone"),
    'bring the other node back, or set pair.on_peer_loss = "solo" in node.toml',
)
_TRIAL = Refused(
    Reply(452, "4.3.2", "a new release is on trial here and the other node is away"),
    "wait for the end of the update: `twinpost update status`",
)


class Gate:
    """Says why nothing may be accepted; the reserve is kept for outcomes and the journal."""

    def __init__(
        self,
        spool: Path,
        reserve: int,
        refuse_alone: bool,
        mode: Callable[[], Mode],
        clock: Callable[[], int],
        reusable: Callable[[], int],
        on_trial: Callable[[], bool],
    ) -> None:
        """`reserve` in bytes; `clock` in milliseconds; `reusable`: bytes free in the database.

        `on_trial`: what only this node has may be gone with the release that is on trial.
        """
        self._spool = spool
        self._reserve = reserve
        self._refuse_alone = refuse_alone
        self._mode = mode
        self._clock = clock
        self._reusable = reusable
        self._on_trial = on_trial
        self._looked_at = -_LOOK_EVERY
        self._free = 0

    def __call__(self) -> Refused | None:
        """The refusal, None if mail is welcome."""
        if self.short:
            return _FULL
        if self._refuse_alone and self._mode() is Mode.SOLO:
            return _ALONE
        if self._on_trial() and self._mode() is not Mode.PAIRED:
            return _TRIAL
        return None

    @property
    def short(self) -> bool:
        """True if what is left is kept: whatever may be forgotten should be, now."""
        return self._look() < self._reserve

    def starving(self) -> bool:
        """True if the peer's mail, too, must wait: what is left is for this node's outcomes."""
        return self._look() < self._reserve // 2

    def _look(self) -> int:
        now = self._clock()
        if now - self._looked_at >= _LOOK_EVERY:
            self._looked_at = now
            figures = os.statvfs(self._spool)
            self._free = figures.f_bavail * figures.f_frsize
        # What pruning freed serves mail, but not the WAL and not large bodies: so at most as much
        # of it counts as the file system has.
        return self._free + min(self._free, self._reusable())
