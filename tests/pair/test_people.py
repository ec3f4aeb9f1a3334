"""Users of a real pair: what is set on one node counts on both; guessers get nowhere.

GUESSES says how many wrong passwords are tried.
"""

from __future__ import annotations

import asyncio
import base64
import os
import smtplib
import ssl
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from appliance.control.client import Client
from appliance.monitor.events import Event
from tests.pair.harness import SUBMISSIONS, Cluster, Node, Settings, until
from tests.pair.traffic import NextHop
from tests.pair.verdict import at_rest, no_bad_signs, same_on_disk, told

GUESSES = int(os.environ.get("GUESSES", "600"))
NOBODY = "192.0.2.0/24"
"""A relay network that no client of a test is in."""


def trusting() -> ssl.SSLContext:
    """Of a client that looks at nothing: certificates are tested elsewhere."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def said(node: Node, *words: str, given: str = "") -> str:
    """What a command prints."""
    done = run(node, *words, given=given)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(node: Node, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        node.command(*words), input=given, capture_output=True, text=True, timeout=60, check=False
    )


def logged_in(node: Node, user: str, password: str, source: str = "") -> smtplib.SMTP:
    """A client of the port in TLS; raises SMTPAuthenticationError."""
    smtp = smtplib.SMTP_SSL(
        node.address,
        SUBMISSIONS,
        "client.test",
        timeout=60,
        context=trusting(),
        source_address=(source, 0) if source else None,
    )
    smtp.ehlo()
    smtp.user, smtp.password = user, password
    try:
        smtp.auth("PLAIN", smtp.auth_plain)
    except smtplib.SMTPException:
        smtp.close()
        raise
    return smtp


async def may(node: Node, user: str, password: str, wanted: bool = True) -> None:
    """Wait until somebody gets in, or doesn't any more."""

    def look() -> bool:
        try:
            logged_in(node, user, password).quit()
        except smtplib.SMTPAuthenticationError as error:
            return error.smtp_code != 535
        return True

    async def tried() -> bool:
        return await asyncio.to_thread(look) is wanted

    await until(tried, f"{node.name}: {user} gets in: {wanted}")


async def in_mailboxes(node: Node, **wanted: int) -> None:
    async def filed() -> bool:
        boxes = await asyncio.to_thread(Client(node.layout.control_socket).mailboxes)
        return {one.name: one.messages for one in boxes} == wanted

    await until(filed, f"{node.name} has {wanted}")


async def test_users_and_aliases(tmp_path: Path) -> None:
    async with (
        NextHop("127.0.0.1") as hop,
        Cluster(tmp_path, Settings(hop=hop.address, clients=NOBODY)) as cluster,
    ):
        a, b = cluster.nodes
        carol = said(a, "user", "add", "carol", "--generate").strip()
        await may(b, "carol@site.test", carol)
        said(b, "alias", "add", "all@site.test", "carol", "bob", "alice@site.test")
        said(b, "user", "password", "bob", "--stdin", given="bob's own password\n")
        await may(a, "bob", "bob's own password")

        with smtplib.SMTP(*a.smtp) as stranger:
            stranger.sendmail("x@else.test", ["all@site.test", "BOB@site.test"], "Subject: x\n")
        for node in (a, b):
            await in_mailboxes(node, alice=1, bob=1, carol=1)
        with logged_in(b, "bob", "bob's own password") as smtp:
            smtp.sendmail("bob@site.test", ["y@else.test"], "Subject: x\r\n\r\n")
            with pytest.raises(smtplib.SMTPSenderRefused):
                smtp.sendmail("carol@site.test", ["y@else.test"], "Subject: x\n")

        said(b, "user", "disable", "carol")
        await may(a, "carol", carol, wanted=False)
        said(a, "user", "enable", "carol")
        await may(b, "carol", carol)
        named = run(a, "user", "remove", "carol")
        assert (named.returncode, "aliases.all@site.test" in named.stderr) == (1, True)
        said(a, "alias", "add", "all@site.test", "bob", "alice", "--replace")
        said(a, "user", "remove", "carol")
        with pytest.raises(smtplib.SMTPRecipientsRefused), smtplib.SMTP(*b.smtp) as stranger:
            stranger.sendmail("x@else.test", "carol@site.test", "Subject: x\n")
        again = run(b, "user", "add", "bob", "--no-password")
        assert (again.returncode, "already" in again.stderr) == (1, True)

        people = tmp_path / "people.csv"
        people.write_text("name,password,addresses\ndora,,d@site.test d2@site.test\nerik,erik1234,")
        said(a, "user", "import", str(people), "--passwords", str(tmp_path / "new.csv"))
        assert (tmp_path / "new.csv").stat().st_mode & 0o777 == 0o600
        _, _, dora = (tmp_path / "new.csv").read_text().strip().rpartition(",")
        await may(b, "dora", dora)
        await may(b, "erik", "erik1234")
        aliases = tmp_path / "aliases.csv"
        aliases.write_text("address,to\nteam@site.test,dora erik\nd3@site.test,dora\n")
        said(b, "alias", "import", str(aliases))
        listed = said(a, "alias", "list")
        assert "team@site.test" in listed

        a.kill()
        await b.is_("solo")
        refused = run(b, "user", "password", "bob", "--stdin", given="another password\n")
        assert refused.returncode == 1
        said(b, "user", "password", "bob", "--stdin", "--while-alone", given="another password\n")
        a.start()
        await cluster.paired()
        await may(a, "bob", "another password")
        await at_rest(cluster)
        for node in cluster.nodes:
            no_bad_signs(node)
            logs = b"".join(log.read_bytes() for log in (node.data / "log").iterdir())
            for secret in (carol, dora, "bob's own password", "another password", "erik1234"):
                assert secret.encode() not in logs
                assert base64.b64encode(secret.encode()).rstrip(b"=") not in logs
        assert hop.sink.seen.total() == 1
        same_on_disk(cluster, tmp_path)


def _guess(node: Node, source: str, times: int) -> Counter[int]:
    """Wrong passwords from one address, three a connection; the replies."""
    replies: Counter[int] = Counter()
    while sum(replies.values()) < times:
        try:
            with smtplib.SMTP_SSL(
                node.address,
                SUBMISSIONS,
                "g.test",
                timeout=60,
                context=trusting(),
                source_address=(source, 0),
            ) as smtp:
                smtp.ehlo()
                for number in range(3):
                    word = base64.b64encode(f"\0alice\0guess {number} {replies}".encode()).decode()
                    replies[smtp.docmd("AUTH", f"PLAIN {word}")[0]] += 1
        except smtplib.SMTPException:
            pass  # the third failure ends the connection
    return replies


async def test_wrong_passwords_get_nowhere_and_mail_goes_on(tmp_path: Path) -> None:
    async with (
        NextHop("127.0.0.1") as hop,
        Cluster(tmp_path, Settings(hop=hop.address, clients=NOBODY)) as cluster,
    ):
        a, b = cluster.nodes
        alice = said(b, "user", "password", "alice", "--generate").strip()
        bob = said(b, "user", "password", "bob", "--generate").strip()
        await may(a, "alice", alice)
        guessers = [f"127.77.{os.getpid() % 250}.{one}" for one in range(1, 51)]
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(50) as pool:
            each = GUESSES // len(guessers)
            attack = [loop.run_in_executor(pool, _guess, a, source, each) for source in guessers]
            sent = 0
            while not all(one.done() for one in attack) or sent < 10:
                sent += await asyncio.to_thread(_sends, a, "bob", bob, guessers[0][:-1] + "250")
            replies = sum(await asyncio.gather(*attack), Counter[int]())
        assert set(replies) <= {535, 454, 421}
        assert replies.total() >= each * len(guessers)
        # Ten of each address would be 500; the user's own bounds leave fewer.
        assert replies[535] < 120
        await may(a, "alice", alice)  # from where she had been before
        await in_mailboxes(b, bob=sent)
        logins = told(a, Event.LOGIN_FAILED)
        assert len(logins) >= each * len(guessers)
        assert all("guess" not in str(one) for one in logins)
        await at_rest(cluster)
        for node in cluster.nodes:
            no_bad_signs(node)


def _sends(node: Node, user: str, password: str, source: str) -> int:
    """One message of somebody else; 1."""
    with logged_in(node, user, password, source) as smtp:
        smtp.sendmail(f"{user}@site.test", [f"{user}@site.test"], "Subject: x\r\n\r\n")
    return 1
