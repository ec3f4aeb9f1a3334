"""The handlers of the control socket, each with the least role that may call it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from appliance.control.http import WHO, BadRequest, Forbidden, failure
from appliance.control.roles import Role, Who
from appliance.control.schema import API
from appliance.mail.reply import Refused
from appliance.mail.views import Unavailable

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_BODY_LIMIT = 5 << 20
_STARTED_AGAIN = "it is started again by itself; see `twinpost status` and the log"


class Knows(Protocol):
    """Tells who calls."""

    def who(self, request: web.Request) -> Who:
        """Raises Forbidden."""


@dataclass(frozen=True)
class Rule:
    """What holds for a handler.

    `action`: what a call does, for the audit; names in braces are those of the path.
    """

    least: Role
    action: str = ""


class Handlers:
    """Parts of the API add theirs; `application` serves them."""

    def __init__(self, access: Knows) -> None:
        self._access = access
        self._rules: dict[web.AbstractRoute, Rule] = {}
        self.application = web.Application(
            middlewares=[failures, self._check], client_max_size=_BODY_LIMIT
        )

    def get(self, path: str, handler: Handler, least: Role) -> None:
        """One that only tells something."""
        self._add("GET", path, handler, Rule(least))

    def post(self, path: str, handler: Handler, least: Role, action: str) -> None:
        """One that changes something."""
        self._add("POST", path, handler, Rule(least, action))

    def any(self, path: str, handler: Handler, least: Role) -> None:
        """One for every method, which passes the call on to where it is looked at again."""
        self._add("*", path, handler, Rule(least))

    def rule(self, route: web.AbstractRoute) -> Rule | None:
        """What holds for it; None for what is no handler of the API."""
        return self._rules.get(route)

    def _add(self, method: str, path: str, handler: Handler, rule: Rule) -> None:
        self._rules[self.application.router.add_route(method, API + path, handler)] = rule

    @web.middleware
    async def _check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        who = request[WHO] = self._access.who(request)
        rule = self._rules.get(request.match_info.route)
        # What aiohttp answers itself, such as 404, has no route of ours.
        if rule is not None and (who.role is None or not who.role.may(rule.least)):
            raise Forbidden(f"that is for the role {rule.least}", f"{who.name} is {who.role}")
        return await handler(request)


@web.middleware
async def failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error as a `Failure`."""
    try:
        return await handler(request)
    except BadRequest as error:
        return failure(400, "bad_request", str(error), error.hint)
    except Forbidden as error:
        return failure(403, "forbidden", str(error), error.hint)
    except LookupError as error:
        return failure(404, "not_found", str(error.args[0] if error.args else error))
    except Refused as error:
        return failure(409, "refused", error.reply.text, error.hint)
    except Unavailable as error:
        return failure(503, "unavailable", str(error), error.hint or _STARTED_AGAIN)
    except web.HTTPException as error:
        return failure(error.status, "not_found", f"{request.path}: {error.reason}")
