"""Idle connections to one next hop, kept for its next message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from appliance.delivery.smtp import Session


class Pool:
    """Hands out sessions. `connect` opens a new one; `idle_timeout` is in seconds.

    `messages`: how many may be sent over one.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[Session]], idle_timeout: float, messages: int
    ) -> None:
        self._connect = connect
        self._idle: list[tuple[Session, float]] = []
        self.configure(idle_timeout, messages)

    def __len__(self) -> int:
        return len(self._idle)

    def configure(self, idle_timeout: float, messages: int) -> None:
        """Keep idle sessions for so many seconds, and for so many messages."""
        self._idle_timeout = idle_timeout
        self._messages = messages

    def take(self) -> Session | None:
        """The idle session used last, so that those nobody needs grow old; None: there is none."""
        while self._idle:
            session, _ = self._idle.pop()
            if session.usable:
                return session
            session.quit()
        return None

    async def fresh(self) -> Session:
        """A new session; raises ConnectFailed."""
        return await self._connect()

    def give(self, session: Session, now: float) -> None:
        """Keep `session` if another message may be sent over it."""
        if session.usable and session.transactions < self._messages:
            self._idle.append((session, now))
        else:
            session.quit()

    def shed(self) -> bool:
        """End the session that is idle for the longest time; False if there is none."""
        if not self._idle:
            return False
        session, _ = self._idle.pop(0)
        session.quit()
        return True

    def sweep(self, now: float) -> None:
        """End the sessions that are idle for too long, or that the other side has ended."""
        kept = []
        for session, since in self._idle:
            if session.usable and now - since < self._idle_timeout:
                kept.append((session, since))
            else:
                session.quit()
        self._idle = kept

    def close(self) -> None:
        """End all idle sessions, and those given back later."""
        self._messages = 0
        for session, _ in self._idle:
            session.quit()
        self._idle.clear()
