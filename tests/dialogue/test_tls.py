"""TLS with clients: STARTTLS and from the first byte on, what is forgotten, what is not obeyed."""

from __future__ import annotations

import ipaddress
import smtplib
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from appliance.config.limits import Limits
from appliance.config.units import Duration
from appliance.smtpd.events import Event
from appliance.smtpd.listener import RELAY, SUBMISSION, Listener
from appliance.smtpd.proxy import Balancers
from tests.dialogue.intake import MemoryIntake
from tests.dialogue.served import PATIENCE, Client, serving
from tests.support.trust import Trusting, server

IMPLICIT = Listener(implicit=True)
MESSAGE = b"Subject: x\r\n\r\nhello\r\n"


def trusting() -> ssl.SSLContext:
    return Trusting("site.test").context(verify=True)


def secure(client: Client) -> None:
    """Greeting, EHLO, STARTTLS, handshake, EHLO."""
    client.greet()
    assert client.ask("STARTTLS") == "220 2.0.0 Ready to start TLS"
    client.start_tls(trusting())
    assert client.ask("EHLO client.test").startswith("250-")


@pytest.mark.parametrize(
    "version, cipher",
    [
        (ssl.TLSVersion.TLSv1_2, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        (ssl.TLSVersion.TLSv1_3, "TLS_AES_256_GCM_SHA384"),
    ],
)
def test_a_message_in_tls_says_so(version: ssl.TLSVersion, cipher: str) -> None:
    context = trusting()
    context.minimum_version = context.maximum_version = version
    with serving(tls=server()) as served:
        host, port = served.server.addresses[0]
        with smtplib.SMTP(host, port, "client.test", PATIENCE) as client:
            client.starttls(context=context)
            client.sendmail("a@b.example", ["ann@site.test"], MESSAGE)
        (accepted,) = served.log.of(Event.ACCEPTED)
    assert str(accepted["tls"]).endswith(f" {cipher}")
    (taken,) = served.intake.taken
    field = taken.content.partition(b";")[0].decode()
    assert " with ESMTPS id " in field
    assert field.endswith(f"for <ann@site.test>\r\n\ttls {cipher}")


def test_tls_from_the_first_byte() -> None:
    with serving(tls=server(), listeners=[IMPLICIT]) as served:
        host, port = served.server.addresses[0]
        with smtplib.SMTP_SSL(host, port, "client.test", timeout=PATIENCE, context=trusting()) as c:
            assert "starttls" not in c.esmtp_features
            c.sendmail("a@b.example", ["ann@site.test"], MESSAGE)
    assert b" with ESMTPS id " in served.intake.taken[0].content


def test_starttls_is_offered_once_and_only_with_a_certificate() -> None:
    with serving() as served, served.client() as client:
        assert client.reply().startswith("220 ")
        assert "STARTTLS" not in client.ask("EHLO client.test")
        assert client.ask("STARTTLS").startswith("454 4.7.0 ")
        served.tls = server()
        assert "250-STARTTLS" in client.ask("EHLO client.test").replace("250 ", "250-")
        assert client.ask("STARTTLS now").startswith("501 ")
        assert client.ask("STARTTLS").startswith("220 ")
        client.start_tls(trusting())
        assert "STARTTLS" not in client.ask("EHLO client.test")
        assert client.ask("STARTTLS").startswith("503 5.5.1 ")


@pytest.mark.parametrize(
    "injected",
    [
        b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<ann@site.test>\r\nDATA\r\nevil\r\n.\r\n",
        b"NOOP\r\n",
        b"E",
        b"\r\n",
    ],
)
def test_plain_text_after_starttls_does_nothing(injected: bytes) -> None:
    """RFC 3207 §6, CVE-2011-0411: in one segment with STARTTLS."""
    with serving(tls=server()) as served, served.client() as client:
        client.greet()
        client.send(b"STARTTLS\r\n" + injected)
        assert client.reply().startswith("554 5.5.1 ")
        assert client.line() == ""
    assert not served.intake.taken


@pytest.mark.parametrize("injected", [b"NOOP\r\n", b"EHLO evil\r\nMAIL FROM:<evil@b.example>\r\n"])
def test_plain_text_after_the_220_ends_the_connection(injected: bytes) -> None:
    with serving(tls=server()) as served:
        with served.client() as client:
            client.greet()
            assert client.ask("STARTTLS").startswith("220 ")
            client.send(injected)
            with pytest.raises((ssl.SSLError, OSError)):
                client.start_tls(trusting())
        (failed,) = served.log.wait_for(Event.TLS_FAILED)
    assert failed["client"] == "127.0.0.1"
    assert not served.intake.taken


def test_what_was_known_of_the_client_is_forgotten() -> None:
    """RFC 3207 §4.2."""
    with serving(tls=server()) as served, served.client() as client:
        client.greet()
        client.begin()
        assert client.ask("STARTTLS").startswith("220 ")
        client.start_tls(trusting())
        assert client.ask("MAIL FROM:<a@b.example>").startswith("503 5.5.1 ")
        assert client.ask("EHLO client.test").startswith("250-")
        assert client.ask("DATA").startswith("503 5.5.1 ")


def test_at_the_submission_port_tls_comes_first() -> None:
    with serving(tls=server(), listeners=[SUBMISSION]) as served, served.client() as client:
        client.greet()
        for command in ("MAIL FROM:<ann@site.test>", "RCPT TO:<a@b.example>", "DATA", "VRFY x"):
            assert client.ask(command) == "530 5.7.0 Must issue a STARTTLS command first"
        client.send(b"BDAT 6 LAST\r\nNOOP\r\n")
        assert client.reply().startswith("503 ")
        assert client.ask("NOOP").startswith("250 ")
        assert client.ask("STARTTLS").startswith("220 ")
        client.start_tls(trusting())
        assert client.ask("EHLO client.test").startswith("250-")


@pytest.mark.parametrize("listener", [RELAY, IMPLICIT])
@pytest.mark.parametrize("said", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"])
def test_a_handshake_that_dribbles_in_is_cut_off(listener: Listener, said: bytes) -> None:
    limits = Limits(handshake_timeout=Duration(50))
    with serving(limits, tls=server(), listeners=[listener]) as served:
        with served.client() as client:
            if listener is RELAY:
                client.greet()
                assert client.ask("STARTTLS").startswith("220 ")
            client.send(said)
            assert client.line() == ""
        (failed,) = served.log.wait_for(Event.TLS_FAILED)
        assert failed["reason"] == "timeout"


@pytest.mark.parametrize("how", ["close", "reset", "half"])
@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01"])
def test_a_client_that_leaves_in_the_handshake(how: str, said: bytes) -> None:
    with serving(tls=server(), listeners=[IMPLICIT]) as served:
        client = served.client()
        client.send(said)
        if how == "half":
            client.half_close()
            assert client.line() == ""
        (client.reset if how == "reset" else client.close)()


def test_connections_in_a_handshake_count_as_all_others() -> None:
    limits = Limits(connections_per_client=2)
    with (
        serving(limits, tls=server(), listeners=[IMPLICIT]) as served,
        served.client() as first,
        served.client() as second,
        served.client() as third,
    ):
        assert third.line() == ""
        first.start_tls(trusting())
        assert first.reply().startswith("220 ")
        second.start_tls(trusting())
        assert second.reply().startswith("220 ")


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_old_versions_are_refused(version: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSVersion"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with (
        serving(tls=server(), listeners=[IMPLICIT]) as served,
        served.client() as client,
        pytest.raises(ssl.SSLError),
    ):
        client.start_tls(context)


def test_what_is_no_tls_gets_an_alert_and_the_end() -> None:
    with serving(tls=server(), listeners=[IMPLICIT]) as served:
        with served.client() as client:
            client.send(b"EHLO client.test\r\n")
            assert client.socket.recv(100)[:1] in (b"\x15", b"")
        (failed,) = served.log.wait_for(Event.TLS_FAILED)
    assert failed["reason"]


def test_nothing_that_came_before_the_handshake_is_left_for_after_it() -> None:
    """However much: all of it is taken for the beginning of TLS."""
    with serving(tls=server(), listeners=[IMPLICIT]) as served:
        with served.client() as client, suppress(OSError):
            client.send(b"\x16\x03\x01" + b"NOOP\r\n" * 40_000)
            client.socket.recv(100)
        served.log.wait_for(Event.TLS_FAILED)
    assert not served.log.of(Event.PROTOCOL_ERROR)


def test_a_new_certificate_is_for_new_connections() -> None:
    with serving(tls=server()) as served, served.client() as before:
        secure(before)
        before.begin()
        served.tls = server("other.site.test")
        with served.client() as after:
            after.greet()
            assert after.ask("STARTTLS").startswith("220 ")
            after.start_tls(trusting(), "other.site.test")
            assert after.ask("NOOP").startswith("250 ")
        assert before.data(MESSAGE).startswith("250 2.0.0 ")


def test_large_messages_and_pipelining_in_tls() -> None:
    text = b"Subject: x\r\n\r\n" + b"0123456789" * 100 * 5000 + b"\r\n"
    lines = b"Subject: x\r\n\r\n" + (b"0123456789" * 90 + b"\r\n") * 5000
    intake = MemoryIntake()
    with serving(intake=intake, tls=server()) as served, served.client() as client:
        secure(client)
        for content in (lines, text):
            client.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<ann@site.test>\r\nDATA\r\n")
            for code in ("250 ", "250 ", "354 "):
                assert client.reply().startswith(code)
            client.send(content + b".\r\n")
            reply = client.reply()
            assert reply.startswith("250 " if content is lines else "550 5.6.0 Line too long")
    assert intake.taken[0].content.endswith(lines)


def test_a_goodbye_is_an_end_that_nobody_cut() -> None:
    with serving(tls=server()) as served, served.client() as client:
        secure(client)
        client.send(b"QUIT\r\n")
        assert client.reply().startswith("221 ")
        # close_notify came: otherwise Python raises SSLEOFError here.
        assert client.socket.recv(1) == b""


def test_idle_clients_in_tls_hear_of_the_end() -> None:
    with serving(tls=server()) as served:
        client = served.client()
        secure(client)
        with ThreadPoolExecutor(1) as waiting:
            said = waiting.submit(client.reply)
            served.run(lambda: served.server.stop(1.0))
            assert said.result(PATIENCE).startswith("421 4.3.2 ")
        client.close()


def test_behind_a_balancer_the_header_comes_before_tls() -> None:
    header = b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x21, 0x11, 0, 12])
    header += socket.inet_aton("198.51.100.9") + socket.inet_aton("127.0.0.1") + b"\x30\x39\0\x19"
    balancers = Balancers((ipaddress.ip_network("127.0.0.1"),))
    implicit = Listener(implicit=True, balancers=balancers)
    with serving(tls=server(), listeners=[implicit]) as served, served.client() as client:
        client.send(header)
        client.start_tls(trusting())
        client.greet()
        client.begin()
        assert client.data(MESSAGE).startswith("250 ")
    assert served.intake.taken[0].envelope.client == "198.51.100.9"
