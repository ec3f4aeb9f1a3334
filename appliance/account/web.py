"""HTTP of the page: one form, no script, no cookie; and the list of revoked certificates.

Nobody is logged in here: each request brings name and password. So another site's page can make a
browser do nothing that it could not do itself, but for guessing from that browser's address; which
is why requests that come from another site are refused.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from appliance.account import page

_LARGEST = 16 << 10
_FORM_TYPE = "application/x-www-form-urlencoded"
_SAME_SITE = ("", "same-origin", "none")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": page.POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # "no-referrer" would take Origin from our own form
    "Server": "Twinpost",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_DIFFERENT = "The two new passwords are not the same. Type the same one twice."
_INCOMPLETE = "Fill in all four fields."
_ELSEWHERE = "The form was sent from another page. Open this page itself, and fill it in here."
_AWAY = (
    "The mail server does not answer just now. Try again in a minute. "
    "If your password until now does not fit then, the new one counts already."
)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Unchanged(Exception):
    """The password is what it was; the text is for the user."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class Away(Exception):
    """Nobody knows whether it was changed: the mail process did not answer."""


class Accounts(Protocol):
    """Who changes passwords."""

    @property
    def site(self) -> str:
        """The site's domain."""

    async def change(self, client: str, login: str, old: str, new: str) -> None:
        """Durable when it returns; raises Unchanged, Away."""


def account_pages(accounts: Accounts) -> web.Application:
    """What is served in HTTPS."""
    pages = _Pages(accounts)
    application = web.Application(middlewares=[_finish], client_max_size=_LARGEST)
    application.add_routes([web.get("/", pages.form), web.post("/", pages.change)])
    return application


def plain_pages(revocations: Callable[[], bytes], ports: Mapping[str, int]) -> web.Application:
    """What is served in plain HTTP: the list, and where the page is.

    `ports`: address → port of the page there.
    """

    async def listed(request: web.Request) -> web.Response:
        found = revocations()
        if not found:
            raise web.HTTPNotFound
        return web.Response(body=found, content_type="application/pkix-crl")  # RFC 2585 §4.2

    async def elsewhere(request: web.Request) -> web.Response:
        local = request.transport.get_extra_info("sockname")[0] if request.transport else ""
        port = ports.get(local) or ports.get("")
        if port is None:
            raise web.HTTPNotFound
        try:
            url = request.url.with_scheme("https").with_port(port).with_path("/")
        except ValueError:
            raise web.HTTPBadRequest from None
        raise web.HTTPFound(url)

    application = web.Application(middlewares=[_finish], client_max_size=_LARGEST)
    application.add_routes([web.get("/ca.crl", listed), web.get("/", elsewhere)])
    return application


class _Pages:
    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def form(self, request: web.Request) -> web.Response:
        return _html(page.form(self._accounts.site))

    async def change(self, request: web.Request) -> web.Response:
        _check_origin(request)
        sent = await request.post()
        user, old, new, again = (str(sent.get(key, "")) for key in ("user", "old", "new", "again"))
        user = user.strip()
        try:
            if not (user and old and new and again):
                raise Unchanged(HTTPStatus.UNPROCESSABLE_ENTITY, _INCOMPLETE)
            if new != again:
                raise Unchanged(HTTPStatus.UNPROCESSABLE_ENTITY, _DIFFERENT)
            await self._accounts.change(_client(request), user, old, new)
        except Unchanged as error:
            return _html(page.form(self._accounts.site, user, str(error)), error.status)
        except Away:
            return _html(
                page.form(self._accounts.site, user, _AWAY), HTTPStatus.SERVICE_UNAVAILABLE
            )
        return _html(page.done())


def _check_origin(request: web.Request) -> None:
    """Text browsers say nothing of where a form was; those that do, say the truth."""
    if request.content_type != _FORM_TYPE:
        raise web.HTTPUnsupportedMediaType
    origin = request.headers.get("Origin")
    strange = origin is not None and origin != f"https://{request.host}"
    if strange or request.headers.get("Sec-Fetch-Site", "") not in _SAME_SITE:
        raise web.HTTPForbidden(text=_ELSEWHERE)


def _client(request: web.Request) -> str:
    """The client's address; an IPv4 client of an IPv6 socket as IPv4."""
    address = ipaddress.ip_address((request.remote or "").partition("%")[0])
    return str(getattr(address, "ipv4_mapped", None) or address)


def _html(text: str, status: int = HTTPStatus.OK) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html")


@web.middleware
async def _finish(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every answer ends its connection, and has the headers that keep others out."""
    try:
        response = await handler(request)
    except web.HTTPException as error:
        text = error.text if isinstance(error, web.HTTPForbidden) else error.reason
        response = _html(page.failure(text or ""), error.status)
        if "Location" in error.headers:
            response.headers["Location"] = error.headers["Location"]
    response.headers.update(_HEADERS)
    response.force_close()
    return response
