"""The modes of the pair as one node sees them (architecture rules 4, 6 and 7), sans I/O.

    solo ──hello──▶ catching up ──at the head for `head_delay`──▶ paired
      ▲                                                              │
      └── all paths dead, or no progress for `no_progress` ──────────────────┘

All paths are dead once the heartbeats say so, which count the link among them: they have listened
for several intervals by then, so the link is given up, too. Where there are no heartbeats, the
link alone must be dead for `solo_grace`.

Silence is no proof of death: a split in which everything ceases at once looks the same from
either side. So what is adopted because of it is always in doubt, and so is this node's own
backlog from then on: a peer that lives has adopted that by the same rule, at the same time.

Times are milliseconds of a monotonic clock.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

_SILENCE = 20  # a node that was held up reads what came meanwhile before it believes in silence


class Mode(StrEnum):
    """What 250 means: paired, on both nodes; otherwise, on this one."""

    SOLO = "solo"
    CATCHING_UP = "catching up"
    PAIRED = "paired"


class Effect(StrEnum):
    """What the node has to do because of an input."""

    MODE_CHANGED = "mode changed"
    ADOPT = "adopt"
    TAKE_OVER = "take over"
    RESET_LINK = "reset link"
    SYNCED = "synced"


class Timing(msgspec.Struct, frozen=True):
    """The delays of the pair, in milliseconds."""

    head_delay: int = 1_000
    solo_grace: int = 1_000
    no_progress: int = 5_000
    adopt_delay: int = 60_000
    stale_wait: int = 600_000


class Pair:
    """One node's view of the pair.

    `synced` tells that since its start this node has caught up with its peer, or has been told
    not to wait: before that it may act only on what it accepted since (rule 4).
    """

    def __init__(self, timing: Timing, now: int, *, alone: bool = False) -> None:
        self._timing = timing
        self.alone = alone
        self.mode = Mode.SOLO
        self.synced = alone
        self._started = now
        self._linked = False
        self._heartbeat: bool | None = None
        self._peer_serves = True
        self._silent_since: int | None = None  # while linked
        self._lost_at = now
        self._link_lost_at = now
        self._progress_at = now
        self._outstanding = False
        self._head_since: int | None = None
        self._caught_up = False
        self._adopted = True

    def link_up(self, now: int, regressed: bool) -> list[Effect]:
        """Both hellos are exchanged; `regressed`: the peer no longer holds what it acknowledged."""
        self._linked = True
        self._silent_since = None
        self._adopted = False
        self._progress_at = now
        self._head_since = None
        self._caught_up = False
        if self.mode is Mode.PAIRED and not regressed:
            return []
        return self._enter(Mode.CATCHING_UP)

    def link_down(self, now: int) -> list[Effect]:
        """The link is dead."""
        if self._linked:
            self._linked = False
            self._lost_at = self._link_lost_at = now
        self._head_since = None
        return self._enter(Mode.SOLO) if self.mode is Mode.CATCHING_UP else []

    def heartbeat(self, alive: bool | None, now: int, serves: bool = True) -> list[Effect]:
        """All heartbeat paths are dead, or one is alive again; None while nobody can tell.

        `serves` False: the peer says that it serves no mail now.
        """
        self._peer_serves = serves
        if self._heartbeat and not alive:
            self._lost_at = max(self._lost_at, now)
            self._silent_since = now if alive is False else None
        elif alive:
            self._silent_since = None
        self._heartbeat = alive
        return self.tick(now)

    def progress(self, now: int) -> None:
        """The peer acknowledged something."""
        self._progress_at = now

    def outstanding(self, now: int, waiting: bool) -> None:
        """Whether records wait for the peer's acknowledgement."""
        if waiting and not self._outstanding:
            self._progress_at = max(self._progress_at, now)
        self._outstanding = waiting

    def waiting_for(self, now: int) -> int:
        """How long records have been waiting for the peer without any progress."""
        return now - self._progress_at if self._outstanding else 0

    def caught_up(self, now: int) -> list[Effect]:
        """Both nodes hold what the other had when the link came up."""
        if self._caught_up or not self._linked:
            return []
        self._caught_up = True
        self._head_since = now
        self.synced = True
        return [Effect.SYNCED, *self.tick(now)]

    def lagging(self, now: int) -> None:
        """The peer is behind again: the time at the head begins anew."""
        if self._head_since is not None:
            self._head_since = now

    def take_over(self) -> list[Effect]:
        """An operator says that the peer will not come: act on the backlog, in doubt."""
        if self.synced and (self._linked or self._adopted):
            return []
        self.synced = self._adopted = True
        return [Effect.TAKE_OVER]

    def tick(self, now: int) -> list[Effect]:
        """Time has passed."""
        timing, effects = self._timing, list[Effect]()
        if self._linked:
            given_up = self._link_given_up
            if given_up is not None and now >= given_up:
                self._linked = False
                self._lost_at = self._link_lost_at = now
                effects += [Effect.RESET_LINK, *self._enter(Mode.SOLO)]
            elif (
                self.mode is Mode.CATCHING_UP
                and self._head_since is not None
                and now - self._head_since >= timing.head_delay
            ):
                effects += self._enter(Mode.PAIRED)
            return effects
        if self.mode is Mode.PAIRED and now >= self._solo_at:
            effects += self._enter(Mode.SOLO)
        dark = now - self._lost_at
        if self.synced and not self._adopted and not self._heartbeat and dark >= timing.adopt_delay:
            self._adopted = True
            effects.append(Effect.ADOPT)
        if not self.synced and now - self._started >= timing.stale_wait:
            effects += self.take_over()
        return effects

    def next_timer(self, now: int) -> int | None:
        """When `tick` is due next, None if nothing is pending."""
        timing, times = self._timing, list[int]()
        if self._linked:
            if (given_up := self._link_given_up) is not None:
                times.append(given_up)
            if self.mode is Mode.CATCHING_UP and self._head_since is not None:
                times.append(self._head_since + timing.head_delay)
        else:
            if self.mode is Mode.PAIRED:
                times.append(self._solo_at)
            if self.synced and not self._adopted and not self._heartbeat:
                times.append(self._lost_at + timing.adopt_delay)
            if not self.synced:
                times.append(self._started + timing.stale_wait)
        return max(now, min(times)) if times else None

    @property
    def _solo_at(self) -> int:
        """When the peer has been gone for long enough (rule 6); the link is dead."""
        without_progress = self._link_lost_at + self._timing.no_progress
        if self._heartbeat:
            # Its mail process is gone, and says so: nobody is there to be waited for.
            return without_progress if self._peer_serves else self._link_lost_at + _SILENCE
        grace = self._timing.solo_grace if self._heartbeat is None else _SILENCE
        return min(self._lost_at + grace, without_progress)

    @property
    def _link_given_up(self) -> int | None:
        """When a link that is up counts as dead, None while it is well."""
        times = list[int]()
        if self._outstanding:
            times.append(self._progress_at + self._timing.no_progress)
        if self._silent_since is not None:
            times.append(self._silent_since + _SILENCE)
        return min(times, default=None)

    def _enter(self, mode: Mode) -> list[Effect]:
        if self.mode is mode:
            return []
        self.mode = mode
        return [Effect.MODE_CHANGED]
