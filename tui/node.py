"""How the console asks: the control client, called in threads; every failure is a `Trouble`."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec

from appliance.control.client import ApiError, Client, NotRunning
from tui.threads import in_thread

T = TypeVar("T")
GONE = "gone"
UNAUTHORIZED = "unauthorized"
_PATIENCE = 10.0
"""Seconds for an answer; changes may take longer and say so."""


class Trouble(Exception):
    """What was asked could not be had: `what`, and the `hint` what to do. Both are foreign text.

    `code` is the API's, or `GONE` while nobody answers.
    """

    def __init__(self, what: str, hint: str, code: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.code = code

    @property
    def gone(self) -> bool:
        """Nobody answers: the node is being started again, or stopped."""
        return self.code == GONE


class Connect(Protocol):
    """Makes a client of this node's control API, or of the other node's over the link."""

    def __call__(self, timeout: float | None, *, session: str, other: bool) -> Client: ...


class Node:
    """One node, as it can be asked from here.

    `session` gives the token of whoever is logged in, "" if nobody is. `refused` is called when
    the node knows that session no longer.
    """

    def __init__(
        self,
        connect: Connect,
        *,
        other: bool,
        session: Callable[[], str],
        refused: Callable[[], None],
    ) -> None:
        self._connect = connect
        self._session = session
        self._refused = refused
        self.other = other

    async def ask(
        self,
        call: Callable[[Client], T],
        patience: float | None = _PATIENCE,
        *,
        idle: bool = False,
    ) -> T:
        """What `call` gets from the node's client; raises Trouble and nothing else.

        `idle`: the console asks by itself, which keeps no session alive.
        """
        session = self._session()
        client = self._connect(patience, session=session, other=self.other)
        client.idle = idle
        try:
            return await in_thread(lambda: call(client))
        except ApiError as error:
            failure = error.failure
            if failure.code == UNAUTHORIZED and session and session == self._session():
                self._refused()
            raise Trouble(failure.error, failure.hint, failure.code) from error
        except (NotRunning, OSError, http.client.HTTPException) as error:
            raise Trouble(str(error), "it is asked again until it answers", GONE) from error
        except msgspec.MsgspecError as error:
            hint = "do both programs come from the same release?"
            raise Trouble(f"the answer makes no sense: {error}", hint, "internal") from error
