"""The handlers of the control socket, each with the least role that may call it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from appliance.control.audit import Audit
from appliance.control.http import (
    WHO,
    BadRequest,
    Failed,
    Forbidden,
    NotDone,
    TooOften,
    Unauthorized,
    failed,
)
from appliance.control.roles import Role, Who
from appliance.control.schema import API
from appliance.mail.reply import Refused
from appliance.mail.views import Unavailable

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_BODY_LIMIT = 5 << 20
_STARTED_AGAIN = "it is started again by itself; see `twinpost status` and the log"
_STATUS: dict[type[Failed], tuple[int, str]] = {
    BadRequest: (400, "bad_request"),
    Unauthorized: (401, "unauthorized"),
    Forbidden: (403, "forbidden"),
    TooOften: (429, "too_often"),
    NotDone: (409, "refused"),
}


class Knows(Protocol):
    """Tells who calls."""

    async def who(self, request: web.Request) -> Who:
        """Raises Forbidden, Unauthorized, Unavailable."""


@dataclass(frozen=True)
class Rule:
    """What holds for a handler. `least` is None where nobody needs to have logged in.

    `action`: what a call does, for the audit; names in braces are those of the path.
    """

    least: Role | None
    action: str = ""


class Handlers:
    """Parts of the API add theirs; `application` serves them."""

    def __init__(self, access: Knows, audit: Audit) -> None:
        self._access = access
        self._audit = audit
        self._rules: dict[web.AbstractRoute, Rule] = {}
        self.application = web.Application(
            middlewares=[self._audited, failures, self._allowed], client_max_size=_BODY_LIMIT
        )

    def get(self, path: str, handler: Handler, least: Role | None) -> None:
        """One that only tells something."""
        self._add("GET", path, handler, Rule(least))

    def post(self, path: str, handler: Handler, least: Role | None, action: str) -> None:
        """One that changes something."""
        self._add("POST", path, handler, Rule(least, action))

    def delete(self, path: str, handler: Handler, least: Role, action: str) -> None:
        """One that ends something."""
        self._add("DELETE", path, handler, Rule(least, action))

    def any(self, path: str, handler: Handler, least: Role) -> None:
        """One for every method, which passes the call on to where it is looked at again."""
        self._add("*", path, handler, Rule(least))

    def rule(self, route: web.AbstractRoute) -> Rule | None:
        """What holds for it; None for what is no handler of the API."""
        return self._rules.get(route)

    def _add(self, method: str, path: str, handler: Handler, rule: Rule) -> None:
        self._rules[self.application.router.add_route(method, API + path, handler)] = rule

    @web.middleware
    async def _audited(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        rule = self._rules.get(request.match_info.route)
        status = 500
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            if rule is not None and rule.action:
                self._audit.ended(request, rule.action, status)

    @web.middleware
    async def _allowed(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        who = request[WHO] = await self._access.who(request)
        rule = self._rules.get(request.match_info.route)
        # What aiohttp answers itself, such as 404, has no rule: it tells nothing.
        if rule is not None and rule.least is not None:
            if who.role is None:
                raise Unauthorized("that is for operators", "log in first")
            if not who.role.may(rule.least):
                hint = f"{who.name} is {who.role}; ask an administrator"
                raise Forbidden(f"that is for the role {rule.least}", hint)
        return await handler(request)


@web.middleware
async def failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error as a `Failure`."""
    try:
        return await handler(request)
    except Failed as error:
        return failed(request, *_STATUS[type(error)], str(error), error.hint)
    except LookupError as error:
        return failed(request, 404, "not_found", str(error.args[0] if error.args else error))
    except Refused as error:
        return failed(request, 409, "refused", error.reply.text, error.hint)
    except Unavailable as error:
        return failed(request, 503, "unavailable", str(error), error.hint or _STARTED_AGAIN)
    except web.HTTPException as error:
        return failed(request, error.status, "not_found", f"{request.path}: {error.reason}")
