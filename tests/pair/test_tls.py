"""TLS of a real pair: one authority, certificates that change while mail flows, mail out."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from appliance.control.client import ApiError, Client, NotRunning
from appliance.control.schema import TlsImport, TlsRenew
from appliance.mail.tls_views import TlsView
from appliance.monitor.events import Event
from tests.pair.harness import SERVICES, Cluster, Node, Settings, until
from tests.pair.test_site import Document, change
from tests.pair.traffic import NextHop
from tests.pair.verdict import at_rest, no_bad_signs, same_on_disk, told
from tests.support.sink import Script, Sink
from tests.support.trust import authority, server


def client(node: Node) -> Client:
    return Client(node.layout.control_socket)


async def seen(node: Node, wanted: Callable[[TlsView], bool], what: str) -> TlsView:
    async def look() -> TlsView | None:
        try:
            view = await asyncio.to_thread(client(node).tls)
        except (ApiError, NotRunning):
            return None
        return view if wanted(view) else None

    return await until(look, f"{node.name}: {what}")


def context(node: Node) -> ssl.SSLContext:
    """A client's that trusts what the node exports, and nothing else."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(cadata=client(node).tls_authority("pem").decode())
    return made


def secure(node: Node, trust: ssl.SSLContext) -> smtplib.SMTP:
    """A client of the node past STARTTLS; it checks name and authority."""
    smtp = smtplib.SMTP(*node.smtp, local_hostname="client.test", timeout=30)
    smtp.starttls(context=trust)
    smtp.ehlo()
    return smtp


def served(smtp: smtplib.SMTP) -> bytes:
    """The certificate that a client was shown."""
    assert isinstance(smtp.sock, ssl.SSLSocket)
    return smtp.sock.getpeercert(binary_form=True) or b""


def _differs(old: object, view: TlsView) -> bool:
    return view.certificate != old


async def test_both_nodes_have_one_authority_and_act_on_changes_at_once(tmp_path: Path) -> None:
    async with (
        NextHop("127.0.0.1") as hop,
        Cluster(tmp_path, Settings(hop=hop.address)) as cluster,
    ):
        a, b = cluster.nodes
        views = [await seen(node, lambda view: view.shared, "has the authority") for node in (a, b)]
        assert views[0].authority == views[1].authority
        # That of the node that had invited the other one.
        assert views[0].authority is not None
        made = told(a, Event.TLS_AUTHORITY_MADE)[0]["fingerprint"]
        assert views[0].authority.fingerprint == made
        processes = [node.service(name) for node in cluster.nodes for name in SERVICES]

        trust = context(b)
        open_before = secure(a, trust)
        first = served(open_before)
        with secure(b, trust) as smtp:
            assert served(smtp) != first
        await asyncio.to_thread(client(b).change_tls, TlsRenew())
        for node, before in zip((a, b), views, strict=True):
            old = before.certificate
            await seen(node, partial(_differs, old), "has a new one")

        async def changed() -> bool:
            with secure(a, trust) as smtp:
                return served(smtp) != first

        await until(changed, "a serves the new certificate")
        open_before.sendmail("x@site.test", "bob@site.test", b"Subject: goes on\r\n\r\n")
        open_before.quit()

        await asyncio.to_thread(client(a).change_tls, TlsRenew(authority=True))

        async def unknown() -> bool:
            try:
                secure(b, trust).quit()
            except ssl.SSLCertVerificationError:
                return True
            return False

        await until(unknown, "b has a certificate of the new authority")
        with secure(b, context(a)) as smtp:
            smtp.sendmail("x@site.test", "bob@site.test", b"Subject: anew\r\n\r\n")
        assert [node.service(name) for node in cluster.nodes for name in SERVICES] == processes

        a.kill()
        await b.is_("solo")
        with pytest.raises(ApiError, match="the pair is solo"):
            await asyncio.to_thread(client(b).change_tls, TlsRenew())
        a.start()
        await cluster.paired()
        with secure(a, context(b)) as smtp:
            assert smtp.noop()[0] == 250
        await at_rest(cluster)
        for node in cluster.nodes:
            no_bad_signs(node)
        same_on_disk(cluster, tmp_path)


async def test_mail_goes_out_only_to_whom_the_route_trusts(tmp_path: Path) -> None:
    async with (
        Sink(Script(tls=server("relay.test", issuer="elsewhere.test"))) as sink,
        Cluster(tmp_path, Settings(hop=f"127.0.0.1:{sink.port}")) as cluster,
    ):
        a, b = cluster.nodes
        await seen(b, lambda view: view.shared, "has the authority")

        def verify(document: Document) -> None:
            hop = f"127.0.0.1:{sink.port}"
            route = {"transport": "smtp", "next_hops": [hop], "tls": "verify"}
            document["routes"] = {"*": {**route, "tls_name": "relay.test"}}

        await change(b, verify)

        async def in_force() -> bool:
            site = await asyncio.to_thread(client(a).site)
            return "tls_name" in str(site.document)

        await until(in_force, "a knows the route")
        with smtplib.SMTP(*a.smtp) as smtp:
            smtp.sendmail("x@site.test", "y@else.test", b"X-Token: one\r\n\r\n")

        async def deferred() -> bool:
            said = a.layout.log_file("delivery").read_text()
            return '"dsn":"4.7.5"' in said and "unable to get local issuer certificate" in said

        await until(deferred, "the mail waits for a certificate that holds")
        assert not sink.messages
        trusted = TlsImport(authority("elsewhere.test").chain.pem())
        await asyncio.to_thread(client(b).change_tls, trusted)
        await sink.received(1)
        assert sink.tokens == {"one": 1}
        assert sink.stages["secure"] == 1
