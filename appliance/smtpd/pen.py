"""Where clients wait that get no service: whoever guesses passwords shall not be back at once."""

from __future__ import annotations

import asyncio

_WAIT = 3.0
"""Seconds."""
_MOST = 200


class Pen:
    """Costs a client that waits a socket, and no handshake, task or session."""

    def __init__(self) -> None:
        self._held: dict[asyncio.Transport, tuple[asyncio.TimerHandle, bytes]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, transport: asyncio.Transport, last_word: bytes) -> None:
        """Let it wait, then say `last_word` and close; at once if too many wait."""
        if len(self._held) >= _MOST:
            transport.abort()
            return
        # What it sends meanwhile stays in the kernel; that it leaves is seen when its time is up.
        transport.pause_reading()
        timer = asyncio.get_running_loop().call_later(_WAIT, self._let_go, transport)
        self._held[transport] = timer, last_word

    def close(self) -> None:
        """Let all of them go."""
        for transport in tuple(self._held):
            self._let_go(transport)

    def _let_go(self, transport: asyncio.Transport) -> None:
        timer, last_word = self._held.pop(transport)
        timer.cancel()
        if not transport.is_closing():  # it may have gone by itself
            transport.write(last_word)
            transport.close()
