"""What the handlers of the control API share: who asks, bodies in, values out."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from aiohttp import web

from appliance.config import ConfigError
from appliance.control.roles import Who
from appliance.control.schema import Failure
from appliance.decoding import from_json

T = TypeVar("T")
WHO = web.RequestKey("who", Who)
"""Who calls; set before a handler runs."""
FAILURE = web.RequestKey("failure", Failure)
"""How a call failed; set when it has."""


class Failed(Exception):
    """A call is not carried out; `hint` says what to do."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class BadRequest(Failed):
    """The request itself is wrong; `hint` says what is right."""


def wrong_text(error: ConfigError) -> BadRequest:
    """The first of what is wrong with settings that somebody wrote, and where it stands."""
    first, *more = error.problems
    others = f" (and {len(more)} more)" if more else ""
    line = f"line {first.line}: " if first.line else ""
    key = f"{first.key}: " if first.key else ""
    return BadRequest(f"{line}{key}{first.what}{others}", first.hint)


class Unauthorized(Failed):
    """Whoever asks must log in."""


class Forbidden(Failed):
    """Not for whoever asks; `hint` says for whom."""


class TooOften(Failed):
    """Later, perhaps."""


class NotDone(Failed):
    """It could not be done as things are; `hint` says what to do first."""


def user(request: web.Request) -> str:
    """Who calls, for the journal and the log."""
    return request[WHO].name


def decoded(body: bytes, wanted: type[T]) -> T:
    """The body of a request; raises BadRequest."""
    try:
        return from_json(body, wanted)
    except msgspec.DecodeError as error:
        raise BadRequest(str(error), "docs/json.md describes the body") from None


def as_json(value: object, status: int = 200) -> web.Response:
    """A value as JSON."""
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json"
    )


def failed(
    request: web.Request, status: int, code: str, error: str, hint: str = ""
) -> web.Response:
    """A `Failure` as JSON."""
    failure = request[FAILURE] = Failure(code=code, error=error, hint=hint)
    return as_json(failure, status)
