"""Certificates and recovery keys, by their keys, against a real pair."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.control.client import Client
from appliance.mail.tls_views import TlsView
from tests.pair.harness import until
from tests.pair.moving import Moving
from tests.support.trust import authority
from tests.tui.acts import acts
from tests.tui.screen import seen

pytestmark = pytest.mark.xdist_group("console")


async def tls(client: Client, wanted: Callable[[TlsView], bool], what: str) -> TlsView:
    """Wait until TLS of a node is so."""

    async def look() -> TlsView | None:
        view = await asyncio.to_thread(client.tls)
        return view if wanted(view) else None

    return await until(look, what, 20.0)


@acts("tls.export", "tls.renew", "tls.take", "tls.forget", "tls.authority")
async def test_certificates_from_beginning_to_end(pair: Moving, tmp_path: Path) -> None:
    client = Client(pair.a.layout.control_socket)
    before = await tls(client, lambda view: view.certificate is not None, "a certificate")
    assert before.certificate is not None
    old = before.certificate.fingerprint
    other = tmp_path / "other.pem"
    other.write_text(authority("port.test").chain.pem())
    async with seen(pair.a.layout.control_socket, (120, 40)) as console:
        await console.go("tls")
        await console.sees("authority")
        await console.press("w")
        await console.sees("File:")
        await console.press("ctrl+u", "ctrl+k")
        await console.type(str(tmp_path / "ca.pem"))
        await console.press("enter")
        await console.sees("authority's certificate is in")
        assert (tmp_path / "ca.pem").read_bytes() == client.tls_authority("pem")

        await console.press("n")
        await console.sees("Both nodes issue themselves new")
        await console.press("y")
        await tls(client, lambda view: bool(view.revoked), "the old one is revoked")
        view = await asyncio.to_thread(client.tls)
        assert view.certificate is not None
        assert view.certificate.fingerprint != old
        await console.sees("serial number")

        await console.press("i")
        await console.type(str(other) + "x")
        await console.press("enter")
        await console.sees("No such file")
        await console.press("ctrl+u")
        await console.type(str(other))
        await console.press("enter")
        await console.sees("or nothing:")
        await console.press("enter")
        await tls(client, lambda view: len(view.trusted) == 1, "the other one is trusted")
        await console.sees("1 other authority trusted")
        await console.press("home", "x")
        await console.sees("Only what was imported")
        await console.press("down", "down", "x")
        await console.sees("Forget what was imported")
        await console.press("y")
        await tls(client, lambda view: not view.trusted, "it is not trusted any more")

        await console.press("c")
        await console.sees("The site gets a new authority")
        await console.type("authority")
        await console.press("enter")
        known = view.authority
        await tls(client, lambda now: now.authority != known, "there is another authority")


async def test_kiosk_has_no_files(pair: Moving) -> None:
    async with seen(pair.a.layout.control_socket) as console:
        console.console.kiosk = True
        await console.go("tls")
        await console.press("w")
        await console.sees("does not manage its")
        await console.press("i")
        await console.sees("no files on this screen")
        await console.go("queue")
        assert "Folder:" not in console.text()


@acts("backups.key")
async def test_a_recovery_key_is_shown_once_and_repeated(pair: Moving) -> None:
    client = Client(pair.a.layout.control_socket)
    async with seen(pair.a.layout.control_socket, (120, 40)) as console:
        await console.go("backups")
        await console.press("k")
        await console.sees("Where will the paper lie?")
        await console.type("bridge safe")
        await console.press("enter")
        text = await console.sees("It is not shown again")
        groups = re.findall(r"\b[0-9A-Z]{5}\b", text)
        assert len(groups) == 8
        await console.press("y")
        text = await console.sees("Groups ")
        assert not any(one in text for one in groups)
        await console.type("00000")
        await console.press("enter")
        await console.sees("look at your paper")
        assert not await asyncio.to_thread(client.recovery_keys)
        await console.press("ctrl+u")
        asked = re.search(r"Groups (\d) and (\d)", text)
        assert asked
        await console.type(" ".join(groups[int(one) - 1].lower() for one in asked.groups()))
        await console.press("enter")
        await console.sees("can be read with recovery key")
        (key,) = await asyncio.to_thread(client.recovery_keys)
        assert key.comment == "bridge safe"
