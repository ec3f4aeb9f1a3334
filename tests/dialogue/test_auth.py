"""AUTH (RFC 4954) over real sockets: who gets in, what that allows, and what never does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import select
import shutil
import smtplib
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import msgspec
import pytest

from appliance.config.site import SubmissionSettings, User
from appliance.identity.credential import DISABLED
from appliance.monitor.events import Event as Logged
from appliance.smtpd import door
from appliance.smtpd.events import Event
from appliance.smtpd.listener import RELAY, SUBMISSION, SUBMISSIONS
from tests.dialogue.served import PATIENCE, Client, Served, serving
from tests.dialogue.test_tls import trusting
from tests.support.trust import server
from tests.unit.identity.parts import ANN, World

MESSAGE = b"From: ann@site.test\r\nSubject: x\r\n\r\nhello\r\n"
RIGHT = base64.b64encode(b"\0ann\0" + ANN.encode()).decode()
WRONG = base64.b64encode(b"\0ann\0wrong password").decode()
OK = "235 2.7.0 Authentication succeeded"
HOUR = 3_600_000
NO = "535 5.7.8 Authentication credentials invalid"


@contextmanager
def site(world: World | None = None) -> Iterator[tuple[Served, World]]:
    """Listeners: 0 for servers, 1 with STARTTLS, 2 in TLS."""
    world = world or World()
    with serving(listeners=[RELAY, SUBMISSION, SUBMISSIONS], tls=server()) as served:
        served.server._service.accounts = world.authenticator
        yield served, world
    world.hasher.close()


@contextmanager
def secured(served: Served) -> Iterator[Client]:
    """A client in TLS that has said EHLO."""
    with served.client(1) as client:
        client.greet()
        client.ask("STARTTLS")
        client.start_tls(trusting())
        client.ask("EHLO client.test")
        yield client


def scram(client: Client, password: str) -> str:
    """Log in as ann, and check the server; its last word."""
    bare = "n=ann,r=cnonce"
    first = base64.b64encode(f"n,,{bare}".encode()).decode()
    code, challenge = client.ask(f"AUTH SCRAM-SHA-256 {first}").split(" ", 1)
    assert code == "334"
    said = base64.b64decode(challenge).decode()
    nonce, salt, count = (part[2:] for part in said.split(",", 2))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(count))
    key = hmac.digest(salted, b"Client Key", "sha256")
    final = f"c=biws,r={nonce}"
    everything = f"{bare},{said},{final}".encode()
    signature = hmac.digest(hashlib.sha256(key).digest(), everything, "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
    answer = client.ask(base64.b64encode(f"{final},p={proof}".encode()).decode())
    if not answer.startswith("334 "):
        return answer
    expected = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), everything, "sha256")
    assert base64.b64decode(answer[4:]) == b"v=" + base64.b64encode(expected)
    return client.ask("")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("initial", [False, True])
def test_smtplib_logs_in_and_sends_anywhere(mechanism: str, implicit: bool, initial: bool) -> None:
    with site() as (served, _):
        host, port = served.server.addresses[2 if implicit else 1]
        client: smtplib.SMTP
        if implicit:
            client = smtplib.SMTP_SSL(host, port, "c.test", timeout=PATIENCE, context=trusting())
        else:
            client = smtplib.SMTP(host, port, "c.test", PATIENCE)
            client.starttls(context=trusting())
        with client:
            client.ehlo()
            client.user, client.password = "ann", ANN
            exchange = getattr(client, f"auth_{mechanism.lower()}")
            assert client.auth(mechanism, exchange, initial_response_ok=initial)[0] == 235
            client.sendmail("ann@site.test", ["bob@site.test", "x@elsewhere.test"], MESSAGE)
        (accepted,) = served.log.of(Event.ACCEPTED)
    assert accepted["user"] == "ann"
    (taken,) = served.intake.taken
    assert taken.envelope.user == "ann"
    assert b" with ESMTPSA id " in taken.content.partition(b";")[0]
    assert b"ann" not in taken.content.partition(b";")[0]


@pytest.mark.skipif(shutil.which("swaks") is None, reason="needs Debian's swaks")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("listener, tls", [(1, "--tls"), (2, "--tls-on-connect")])
def test_swaks_sends(mechanism: str, listener: int, tls: str) -> None:
    with site() as (served, _):
        host, port = served.server.addresses[listener]
        command = ["swaks", "--server", f"{host}:{port}", tls, "--auth", mechanism]
        command += ["--auth-user", "ann", "--auth-password", ANN, "--from", "ann@site.test"]
        command += ["--to", "x@elsewhere.test", "--helo", "client.test", "--timeout", "30"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout
    assert len(served.intake.taken) == 1


def test_scram() -> None:
    with site() as (served, _), secured(served) as client:
        assert scram(client, "wrong password") == NO
        assert scram(client, ANN) == OK
        client.begin("ann@site.test", "x@elsewhere.test")
        assert client.data(MESSAGE).startswith("250 ")


def test_what_is_offered_where() -> None:
    with site() as (served, _):
        for listener in (0, 1):
            with served.client(listener) as client:
                client.reply()
                assert "AUTH" not in client.ask("EHLO client.test")
        with secured(served) as client:
            assert "\n250-AUTH SCRAM-SHA-256 PLAIN LOGIN" in client.ask("EHLO x").replace(
                "250 AUTH", "250-AUTH"
            )
            assert client.ask(f"AUTH PLAIN {RIGHT}") == OK
            assert "AUTH" not in client.ask("EHLO client.test")
            assert client.ask(f"AUTH PLAIN {RIGHT}").startswith("503 5.5.1 ")


def test_never_in_plain_text_and_never_where_servers_send() -> None:
    with site() as (served, _):
        with served.client(1) as client:
            client.greet()
            assert client.ask(f"AUTH PLAIN {RIGHT}").startswith("538 5.7.11 ")
            assert client.ask("MAIL FROM:<ann@site.test>").startswith("530 5.7.0 ")
        with served.client(0) as client:
            client.greet()
            client.ask("STARTTLS")
            client.start_tls(trusting())
            client.ask("EHLO client.test")
            assert client.ask(f"AUTH PLAIN {RIGHT}").startswith("503 5.5.1 ")


def test_nobody_sends_without_a_name() -> None:
    with site() as (served, _), secured(served) as client:
        assert client.ask("MAIL FROM:<ann@site.test>").startswith("530 5.7.0 ")
        assert client.ask("RCPT TO:<ann@site.test>").startswith("503 ")
        assert client.ask(f"AUTH PLAIN {WRONG}") == NO
        assert client.ask("MAIL FROM:<ann@site.test>").startswith("530 5.7.0 ")
        assert client.ask(f"AUTH PLAIN {RIGHT}") == OK
        client.begin("ann@site.test")
    assert not served.intake.taken


def test_the_exchange_can_be_cancelled_and_spoilt() -> None:
    with site() as (served, _):
        for spoilt in ("*", "no base64", "YQ", "é", base64.b64encode(b"x" * 5000).decode()):
            with secured(served) as client:
                assert client.ask("AUTH PLAIN") == "334 "
                assert client.ask(spoilt).startswith("501 5."), spoilt
                assert client.ask(f"auth plain {RIGHT}") == OK
        with secured(served) as client:
            assert client.ask("AUTH PLAIN") == "334 "
            assert client.ask("A" * 20_000).startswith("500 5.5.6 ")
            assert client.ask("AUTH PLAIN =").startswith("501 ")
        with secured(served) as client:
            assert client.ask("AUTH").startswith("504 5.5.4 ")
            assert client.ask("AUTH CRAM-MD5").startswith("504 5.5.4 ")
            assert client.ask(f"AUTH PLAIN {RIGHT} more").startswith("501 ")
            assert client.ask(f"AUTH PLAIN  {RIGHT}").startswith(("501 ", "235 "))


def test_not_in_a_transaction_and_not_before_ehlo() -> None:
    with site() as (served, _), secured(served) as client:
        client.ask("HELO client.test")
        assert client.ask(f"AUTH PLAIN {RIGHT}").startswith("503 5.5.1 ")
        client.ask("EHLO client.test")
        assert client.ask(f"AUTH PLAIN {RIGHT}") == OK
        client.begin("ann@site.test")
        assert client.ask(f"AUTH PLAIN {RIGHT}").startswith("503 5.5.1 ")


def test_three_failures_end_the_connection() -> None:
    with site() as (served, _), secured(served) as client:
        assert client.ask(f"AUTH PLAIN {WRONG}") == NO
        assert client.ask(f"AUTH PLAIN {WRONG}") == NO
        assert client.ask(f"AUTH PLAIN {WRONG}") == NO
        assert client.reply().startswith("421 4.7.0 ")
        assert client.reply() == ""


def test_whom_users_may_send_as() -> None:
    with site() as (served, world), secured(served) as client:
        client.ask(f"AUTH PLAIN {RIGHT}")
        for own in ("ann@site.test", "Ann@Second.test", "info@site.test", "x@lab.test", ""):
            assert client.ask(f"MAIL FROM:<{own}>").startswith("250 "), own
            client.ask("RSET")
        for other in ("bob@site.test", "info@second.test", "x@elsewhere.test"):
            assert client.ask(f"MAIL FROM:<{other}>").startswith("553 5.7.1 "), other
        world.registers.tables[DISABLED] = {"ann": b"root"}
        world.site.registers_changed()
        assert client.ask("MAIL FROM:<ann@site.test>").startswith("530 5.7.0 ")


@pytest.mark.parametrize("size", [0, 400_000])
def test_from_is_checked_where_it_is_asked_for(size: int) -> None:
    with site() as (served, world), secured(served) as client:
        client.ask(f"AUTH PLAIN {RIGHT}")
        forged = MESSAGE.replace(b"ann@", b"bob@") + b"x" * size + b"\r\n"
        client.begin("ann@site.test")
        assert client.data(forged).startswith("250 ")
        world.site.changed(
            msgspec.structs.replace(
                world.site.current, submission=SubmissionSettings(check_from=True)
            )
        )
        client.begin("ann@site.test")
        assert client.data(forged).startswith("550 5.7.1 ")
        client.begin("ann@site.test")
        assert client.data(MESSAGE + b"x" * size + b"\r\n").startswith("250 ")
    assert len(served.intake.taken) == 2


def test_a_login_is_forgotten_with_the_connection() -> None:
    with site() as (served, world):
        with secured(served) as client:
            assert client.ask(f"AUTH PLAIN {RIGHT}") == OK
            client.ask("RSET")
            client.begin("ann@site.test")
        with secured(served) as client:
            assert client.ask("MAIL FROM:<ann@site.test>").startswith("530 ")
        world.change(bob=User())
        with secured(served) as client:
            assert client.ask(f"AUTH PLAIN {RIGHT}") == NO


def test_a_crowd_of_wrong_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """From one address: ten are looked at, and the right one isn't any more."""
    monkeypatch.setattr(door, "_LONGEST", 0.0)

    def guess(client: Client) -> list[str]:
        return [client.ask(f"AUTH PLAIN {WRONG}") for _ in range(3)]

    with site() as (served, world), ExitStack() as stack:
        crowd = [stack.enter_context(secured(served)) for _ in range(20)]
        late = stack.enter_context(secured(served))
        with ThreadPoolExecutor(16) as pool:
            replies = [reply for some in pool.map(guess, crowd) for reply in some]
        assert replies.count(NO) == 10
        assert sum(reply.startswith("454 4.7.0 ") for reply in replies) == 50
        assert late.ask(f"AUTH PLAIN {RIGHT}").startswith("454 ")
        assert world.authenticator.failures == 61
        assert {event for event, _ in world.emitted} == {Logged.LOGIN_FAILED}
        refused_at_the_door(served)
        world.now += HOUR  # then there are tries again
        with secured(served) as client:
            assert client.ask(f"AUTH PLAIN {RIGHT}") == OK
        for _ in range(4):
            world.authenticator._throttle.attempt(world.now, "127.0.0.1", "somebody")
        with secured(served) as client:  # no tries for others, but ann is at home here
            assert client.ask(f"AUTH PLAIN {RIGHT}") == OK


def refused_at_the_door(served: Served) -> None:
    """Neither greeted nor served, at either port for users; other servers are."""
    with served.client(1) as client:
        assert client.reply() == "421 4.7.0 Too many failed logins, closing connection"
        assert client.line() == ""
    with served.client(2) as client:
        assert client.line() == ""
    with served.client(0) as client:
        client.greet()
    reasons = [one["reason"] for one in served.log.of(Event.CONNECTION_REFUSED)]
    assert reasons == ["Too many failed logins, closing connection"] * 2


def test_whoever_may_not_log_in_comes_no_further_than_the_kernel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For a while, at both ports for users; the door opens although nobody knocks."""
    monkeypatch.setattr(door, "_EVERY", 3600.0)
    with site() as (served, world):
        for number in range(11):
            world.authenticator._throttle.attempt(0, "127.0.0.1", f"user{number}")
        with served.client(1) as client:
            assert client.reply() == "421 4.7.0 Too many failed logins, closing connection"
        assert [reaches(served, port) for port in (0, 1, 2)] == [True, False, False]
        assert reaches(served, 2, source="127.0.0.2")
        world.now += HOUR
        kept = served.server._service.door

        async def later() -> None:
            kept._shut["127.0.0.1"] = 0.0
            kept._renew()

        served.run(later)
        assert [reaches(served, port) for port in (0, 1, 2)] == [True, True, True]
        assert kept._timer is None
        assert len(served.log.of(Event.CONNECTION_REFUSED)) == 1


def reaches(served: Served, listener: int, source: str = "127.0.0.1") -> bool:
    """Whether a connection is made; on loopback it is there at once."""
    with socket.socket() as client:
        client.bind((source, 0))
        client.setblocking(False)
        client.connect_ex(served.server.addresses[listener])
        return bool(select.select([], [client], [], 0)[1])
