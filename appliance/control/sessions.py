"""Sessions of operators: a random token each, in memory only, so a restart ends them."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from appliance.control.http import Unauthorized
from appliance.control.operators import Operator
from appliance.control.roles import Who

_MOST = 200
_AGAIN = "log in again"


class Knows(Protocol):
    """Who the operators are."""

    def glance(self, name: str) -> Operator | None:
        """As last heard, without reading."""

    async def all(self) -> Mapping[str, Operator]:
        """As they are; raises Unavailable."""


@dataclass
class _Session:
    operator: Operator
    heard: int


class Sessions:
    """A session ends after `idle` milliseconds, and when what its operator may has changed.

    `clock`: running milliseconds.
    """

    def __init__(self, operators: Knows, clock: Callable[[], int], idle: int) -> None:
        self.idle = idle
        self._operators = operators
        self._clock = clock
        self._open: OrderedDict[bytes, _Session] = OrderedDict()

    def open(self, operator: Operator) -> str:
        """The token of a new session."""
        token = secrets.token_urlsafe(32)
        self._open[_key(token)] = _Session(operator, self._clock())
        if len(self._open) > _MOST:
            self._open.popitem(last=False)
        return token

    def close(self, token: str) -> None:
        """End a session."""
        self._open.pop(_key(token), None)

    def changed(self, token: str, operator: Operator) -> None:
        """What was changed by the session itself does not end it."""
        if session := self._open.get(_key(token)):
            session.operator = operator

    def count(self, name: str) -> int:
        """The sessions of an operator."""
        now = self._clock()
        return sum(
            one.operator.name == name and now - one.heard < self.idle for one in self._open.values()
        )

    async def who(self, token: str, *, idle: bool = False) -> Who:
        """Whose session it is; raises Unauthorized. `idle`: the call does not make it last."""
        key, now = _key(token), self._clock()
        session = self._open.get(key)
        if session is None:
            raise Unauthorized("there is no such session", _AGAIN)
        if now - session.heard >= self.idle:
            del self._open[key]
            raise Unauthorized("the session ended: it was idle", _AGAIN)
        began = session.operator
        if self._operators.glance(began.name) != began:
            # Heard of late, perhaps: what is on the disk decides.
            current = (await self._operators.all()).get(began.name)
            if session.operator != current:
                self._open.pop(key, None)
                raise Unauthorized("the session ended: the operator was changed", _AGAIN)
        if not idle:
            session.heard = now
        self._open.move_to_end(key)
        assert session.operator.role is not None
        return Who(began.name, session.operator.role, session=True)


def _key(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()
