"""The control API for programs on the node: small, synchronous, standard library only."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from appliance.control.client_backups import BackupCalls
from appliance.control.client_events import EventCalls
from appliance.control.client_installer import InstallerCalls
from appliance.control.client_jobs import JobCalls
from appliance.control.client_machine import MachineCalls
from appliance.control.client_monitor import MonitorCalls
from appliance.control.client_pair import PairCalls
from appliance.control.client_people import OperatorCalls
from appliance.control.client_reports import ReportCalls
from appliance.control.client_setup import SetupCalls
from appliance.control.client_site import SiteTextCalls
from appliance.control.client_updates import UpdateCalls
from appliance.control.client_users import UserCalls
from appliance.control.schema import (
    API,
    ChangeSite,
    Command,
    CommandAnswer,
    Digests,
    Done,
    Failure,
    Filed,
    History,
    MailboxList,
    Maintenance,
    PauseChange,
    RouteList,
    RouteTest,
    SalvageRequest,
    Selection,
    ServerChange,
    SiteHistory,
    Status,
    Switchover,
    TlsForget,
    TlsImport,
    TlsRenew,
    Transition,
)
from appliance.decoding import from_json
from appliance.ipc.balance import BalanceView
from appliance.ipc.delivery import DeliveryView
from appliance.ipc.search import MessagePreview, SearchPage, SearchView
from appliance.ipc.socket_file import connected_socket
from appliance.mail.tls_views import TlsView
from appliance.mail.views import (
    CommandResult,
    MailboxPage,
    MailboxView,
    MessageStory,
    QueueFilter,
    QueuePage,
    SalvageView,
    SiteDocument,
    SiteVersionView,
    SiteView,
)

T = TypeVar("T")
_BLOCK = 256 * 1024


class NotRunning(Exception):
    """Nobody serves the control socket."""


class ApiError(Exception):
    """The node answered that it could not or would not; see `failure`."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error)
        self.failure = failure


class Client(
    MonitorCalls,
    BackupCalls,
    EventCalls,
    JobCalls,
    InstallerCalls,
    MachineCalls,
    OperatorCalls,
    PairCalls,
    SetupCalls,
    SiteTextCalls,
    ReportCalls,
    UpdateCalls,
    UserCalls,
):
    """Asks the node whose control socket is at `path`; one connection a call."""

    def __init__(
        self, path: Path, timeout: float | None = 60.0, *, session: str = "", other: bool = False
    ) -> None:
        """`timeout` in seconds, None for calls that take as long as they take.

        `session`: the token of one, for whose operator it asks. `other`: asks the other node of the
        pair, over the link.
        """
        self._path = path
        self._timeout = timeout
        self._session = session
        self._base = f"{API}/peer" if other else API
        self.idle = False
        """Nobody asked for the next calls: they keep no session alive."""

    def status(self) -> Status:
        """The node and its pair."""
        return self._get("/status", Status)

    def queue(self, wanted: QueueFilter, limit: int = 1000) -> Iterator[QueuePage]:
        """The messages that fit, page by page, newest first."""
        after = ""
        while True:
            page = self.queue_page(wanted, limit, after)
            yield page
            after = page.after
            if not after:
                return

    def queue_page(self, wanted: QueueFilter, limit: int, after: str) -> QueuePage:
        """One page of them, from behind `after`."""
        parameters: list[tuple[str, str]] = [("status", status) for status in wanted.status]
        parameters += [("sender", wanted.sender), ("recipient", wanted.recipient)]
        parameters += [("text", wanted.text), ("ended", "1" if wanted.ended else "0")]
        parameters += [("limit", str(limit)), ("after", after)]
        return self._get(f"/queue?{urlencode(parameters)}", QueuePage)

    def message(self, queue_id: str) -> MessageStory:
        """One message; raises ApiError with code "not_found"."""
        return self._get(f"/queue/{quote(queue_id, safe='')}", MessageStory)

    def content(self, queue_id: str) -> Iterator[bytes]:
        """The content of a message, in blocks; raises NotRunning if it breaks off."""
        connection, response = self._ask("GET", f"/messages/{quote(queue_id, safe='')}/content")
        try:
            while block := response.read(_BLOCK):
                yield block
        except (OSError, http.client.HTTPException) as error:
            raise NotRunning(f"{queue_id} broke off: {error}") from error
        finally:
            connection.close()

    def mailboxes(self) -> Sequence[MailboxView]:
        """All mailboxes that hold something."""
        return self._get("/mailboxes", MailboxList).mailboxes

    def mailbox(self, name: str, limit: int = 1000) -> Iterator[MailboxPage]:
        """The messages of a mailbox, page by page, oldest first."""
        after = ""
        while True:
            page = self.mailbox_page(name, limit, after)
            yield page
            after = page.after
            if not after:
                return

    def mailbox_page(
        self, name: str, limit: int, after: str, *, newest: bool = False
    ) -> MailboxPage:
        """One page of them, from behind `after`, or of the newest first."""
        order = "newest" if newest else "oldest"
        query = urlencode({"limit": limit, "after": after, "order": order})
        return self._get(f"/mailboxes/{quote(name, safe='')}?{query}", MailboxPage)

    def command(
        self, action: str, targets: Sequence[Selection], address: str = ""
    ) -> Sequence[CommandResult]:
        """hold, release, retry, remove or redirect at most TARGETS_LIMIT messages."""
        body = Command(tuple(targets), address)
        return self._post(f"/queue/{action}", body, CommandAnswer).results

    def search(
        self, query: str, limit: int = 20, after: str = "", snippets: bool = True
    ) -> SearchPage:
        """Messages by their text, the newest first."""
        asked = {"query": query, "limit": limit, "after": after, "snippets": int(snippets)}
        return self._get(f"/search?{urlencode(asked)}", SearchPage)

    def preview(self, queue_id: str) -> MessagePreview:
        """A message to look at; raises ApiError with code "not_found"."""
        return self._get(f"/messages/{quote(queue_id, safe='')}/preview", MessagePreview)

    def search_status(self) -> SearchView:
        """How the search index is."""
        return self._get("/search/status", SearchView)

    def reindex(self) -> SearchView:
        """Have the search index made anew; returns at once."""
        return self._post("/search/reindex", {}, SearchView)

    def take_over(self) -> str:
        """Act on the backlog without the peer; returns what happened."""
        return self._post("/pair/take-over", {}, Done).text

    def history(self, limit: int) -> Sequence[Transition]:
        """The last transitions on both nodes, newest first."""
        return self._get(f"/failover/history?limit={limit}", History).transitions

    def switch_over(self, vrid: int | None, force: bool, *, here: bool = False) -> str:
        """Leave the addresses to the other node, or bring them here; returns what happened."""
        return self._post("/failover/switchover", Switchover(vrid, force, here), Done).text

    def maintain(self, on: bool, force: bool) -> str:
        """Put the node into maintenance or out of it; returns what happened. Takes its time."""
        return self._post("/failover/maintenance", Maintenance(on, force), Done).text

    def balance(self) -> BalanceView:
        """The balancer of this node; raises ApiError with code "refused" if it has none."""
        return self._get("/balance", BalanceView)

    def change_server(self, name: str, change: ServerChange) -> BalanceView:
        """Weigh, drain or resume a server of the balancer; as it stands then."""
        return self._post(f"/balance/{quote(name, safe='')}", change, BalanceView)

    def routes(self) -> RouteList:
        """The site's routes, and what is paused."""
        return self._get("/routes", RouteList)

    def routes_status(self) -> DeliveryView:
        """How the next hops of this node are."""
        return self._get("/routes/status", DeliveryView)

    def test_route(self, address: str) -> RouteTest:
        """Which way mail for `address` takes."""
        return self._get(f"/routes/test?{urlencode({'address': address})}", RouteTest)

    def pause(self, change: PauseChange) -> RouteList:
        """Pause a domain or next hop, or let it go on."""
        return self._post("/routes/pause", change, RouteList)

    def salvage(self, disk: str) -> SalvageView:
        """Take over what a dead node's data directory holds; for a client without timeout."""
        return self._post("/salvage", SalvageRequest(disk), SalvageView)

    def site(self) -> SiteView:
        """The site as it is."""
        return self._get("/site", SiteView)

    def site_history(self) -> Sequence[SiteVersionView]:
        """The versions that are kept, the strongest first."""
        return self._get("/site/history", SiteHistory).versions

    def site_version(self, wanted: str) -> SiteDocument:
        """A version by "head", number, or the beginning of its id."""
        return self._get(f"/site/versions/{quote(wanted, safe='')}", SiteDocument)

    def change_site(self, change: ChangeSite) -> SiteVersionView:
        """A new version; as it stands when it is durable."""
        return self._post("/site", change, SiteVersionView)

    def tls(self) -> TlsView:
        """TLS as it is on this node."""
        return self._get("/tls", TlsView)

    def tls_authority(self, form: str) -> bytes:
        """The certificates of the site's authority, "pem" or "der"."""
        connection, response = self._ask("GET", f"/tls/ca?format={quote(form)}")
        try:
            return response.read()
        finally:
            connection.close()

    def change_tls(self, change: TlsImport | TlsForget | TlsRenew) -> str:
        """Import, forget or renew; returns what happened."""
        path = {TlsImport: "import", TlsForget: "forget", TlsRenew: "renew"}[type(change)]
        return self._post(f"/tls/{path}", change, Done).text

    def digests(self, mailbox: str) -> Sequence[str]:
        """SHA-256 in hex of the content of everything in a mailbox."""
        return self._get(f"/mailboxes/{quote(mailbox, safe='')}/digests", Digests).digests

    def file_mail(self, mailbox: str, content: bytes) -> str:
        """Copy a message (CRLF) into a mailbox; its queue id, "" if the same was taken just now."""
        path = f"/mailboxes/{quote(mailbox, safe='')}/messages"
        return self._upload(path, content, "message/rfc822", Filed).queue_id

    def _get(self, path: str, wanted: type[T]) -> T:
        connection, response = self._ask("GET", path)
        return _decoded(connection, response, wanted)

    def _post(self, path: str, body: object, wanted: type[T]) -> T:
        connection, response = self._ask("POST", path, msgspec.json.encode(body))
        return _decoded(connection, response, wanted)

    def _upload(self, path: str, content: bytes, kind: str, wanted: type[T]) -> T:
        connection, response = self._ask("POST", path, content, kind)
        return _decoded(connection, response, wanted)

    def _delete(self, path: str, wanted: type[T]) -> T:
        connection, response = self._ask("DELETE", path)
        return _decoded(connection, response, wanted)

    def _ask(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = _UnixConnection(self._path, self._timeout)
        headers = {"Content-Type": kind} if body else {}
        if self._session:
            headers["Authorization"] = f"Bearer {self._session}"
        if self.idle:
            headers["Twinpost-Idle"] = "1"
        try:
            return connection, _answered(connection, method, self._base + path, body, headers)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise NotRunning(f"nobody serves {self._path}") from error
        except PermissionError as error:
            hint = "run this as the node's user, or as root"
            what = f"this user may not talk to {self._path}"
            raise ApiError(Failure(code="forbidden", error=what, hint=hint)) from error
        except (OSError, http.client.HTTPException) as error:
            raise NotRunning(f"no answer at {self._path}: {error}") from error


def _answered(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None,
    headers: dict[str, str],
) -> http.client.HTTPResponse:
    """The answer to a request; raises ApiError, OSError, HTTPException, and hangs up then."""
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        if response.status >= 300:
            raise ApiError(_failure(response))
    except BaseException:
        connection.close()
        raise
    return response


def _decoded(
    connection: http.client.HTTPConnection, response: http.client.HTTPResponse, wanted: type[T]
) -> T:
    try:
        return from_json(response.read(), wanted)
    finally:
        connection.close()


def _failure(response: http.client.HTTPResponse) -> Failure:
    body = response.read()
    try:
        return from_json(body, Failure)
    except msgspec.DecodeError:
        # aiohttp answers by itself when a handler failed in a way nobody foresaw.
        hint = "read log/control.log"
        return Failure(code="internal", error=f"HTTP status {response.status}", hint=hint)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock: socket.socket = connected_socket(self._path)
        self.sock.settimeout(self.timeout)
