"""Logging in, with every mechanism; what is told, and what is not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Iterator

import pytest

from appliance.config.site import User
from appliance.identity.authenticator import BUSY, TOO_OFTEN, WRONG, Authenticator
from appliance.identity.credential import CREDENTIALS, DISABLED
from appliance.identity.hasher import Hasher
from appliance.mail.reply import Refused
from appliance.monitor.events import Event
from tests.unit.identity.parts import ANN, World

CLIENT = "192.0.2.1"


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.hasher.close()


async def plain(
    authenticator: Authenticator, login: str, password: str, client: str = CLIENT
) -> str:
    exchange = authenticator.begin("PLAIN", client)
    assert exchange is not None
    step = await exchange.step(f"\0{login}\0{password}".encode())
    assert isinstance(step, str)
    return step


async def scram(
    authenticator: Authenticator, login: str, password: str, client: str = CLIENT
) -> str:
    exchange = authenticator.begin("SCRAM-SHA-256", client)
    assert exchange is not None
    bare = f"n={login},r=clientnonce"
    challenge = await exchange.step(f"n,,{bare}".encode())
    assert isinstance(challenge, bytes)
    nonce, salt, iterations = (part[2:] for part in challenge.decode().split(",", 2))
    salted = hashlib.pbkdf2_hmac(
        "sha256", password.encode(), base64.b64decode(salt), int(iterations)
    )
    key = hmac.digest(salted, b"Client Key", "sha256")
    final = f"c=biws,r={nonce}"
    said = f"{bare},{challenge.decode()},{final}".encode()
    signature = hmac.digest(hashlib.sha256(key).digest(), said, "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
    answer = await exchange.step(f"{final},p={proof}".encode())
    assert isinstance(answer, bytes)
    server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), said, "sha256")
    assert answer == b"v=" + base64.b64encode(server)
    user = await exchange.step(b"")
    assert isinstance(user, str)
    return user


@pytest.mark.parametrize("login", ["ann", "ANN", "ann@site.test", "Ann@Second.Test"])
async def test_everybody_has_one_name(world: World, login: str) -> None:
    assert await plain(world.authenticator, login, ANN) == "ann"
    assert await scram(world.authenticator, login, ANN) == "ann"
    assert [event for event, _ in world.emitted] == [Event.LOGGED_IN] * 2


async def test_login_asks_twice(world: World) -> None:
    exchange = world.authenticator.begin("LOGIN", CLIENT)
    assert exchange is not None
    assert await exchange.step(None) == b"Username:"
    assert await exchange.step(b"ann") == b"Password:"
    assert await exchange.step(ANN.encode()) == "ann"


@pytest.mark.parametrize(
    "login", ["ann", "bob", "gone", "nobody", "ann@elsewhere.test", "", "a\x00b", "x" * 500, "ö"]
)
@pytest.mark.parametrize("how", [plain, scram])
async def test_a_wrong_password_and_a_wrong_name_are_the_same(
    world: World, login: str, how: object
) -> None:
    assert callable(how)
    with pytest.raises(Refused) as refused:
        await how(world.authenticator, login, "wrong" if login == "ann" else ANN)
    if refused.value.reply.code != 501:
        assert refused.value.reply == WRONG


async def test_no_name_is_given_away_by_its_salt(world: World) -> None:
    async def challenge(login: str) -> bytes:
        exchange = world.authenticator.begin("SCRAM-SHA-256", CLIENT)
        assert exchange is not None
        told = await exchange.step(f"n,,n={login},r=x".encode())
        assert isinstance(told, bytes)
        return told.partition(b",")[2]

    for name in ("ann", "bob", "nobody"):
        assert await challenge(name) == await challenge(name)
        assert await challenge(name) == await challenge(f"{name}@site.test")
        assert len(await challenge(name)) == len(await challenge("ann"))
    assert await challenge("nobody") != await challenge("noone")


@pytest.mark.parametrize("how", [plain, scram])
async def test_disabled_users_stay_out(world: World, how: object) -> None:
    assert callable(how)
    world.registers.tables[DISABLED] = {"ann": b"root"}
    world.site.registers_changed()
    with pytest.raises(Refused, match="535"):
        await how(world.authenticator, "ann", ANN)
    assert not world.people.active("ann")
    world.registers.tables[DISABLED] = {}
    world.site.registers_changed()
    assert await how(world.authenticator, "ann", ANN) == "ann"
    world.change(ann=User(disabled=True))
    with pytest.raises(Refused, match="535"):
        await how(world.authenticator, "ann", ANN)


async def test_a_new_password_counts_at_once(world: World) -> None:
    assert await plain(world.authenticator, "ann", ANN) == "ann"
    world.registers.tables[CREDENTIALS] = {}
    world.site.registers_changed()
    with pytest.raises(Refused, match="535"):
        await plain(world.authenticator, "ann", ANN)


async def test_guessing_ends(world: World) -> None:
    replies = []
    for number in range(30):
        with pytest.raises(Refused) as refused:
            await plain(world.authenticator, "ann", f"guess {number}")
        replies.append(refused.value.reply)
    assert replies == [WRONG] * 10 + [TOO_OFTEN] * 20
    with pytest.raises(Refused, match="454"):
        await plain(world.authenticator, "ann", ANN)
    with pytest.raises(Refused, match="454"):
        await scram(world.authenticator, "ann", ANN)
    assert await plain(world.authenticator, "ann", ANN, "192.0.2.2") == "ann"
    world.now += 900_000
    assert await plain(world.authenticator, "ann", ANN) == "ann"


async def test_guesses_at_once_are_counted_one_by_one(world: World) -> None:
    tries = [plain(world.authenticator, "ann", f"guess {number}") for number in range(50)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert [str(one) for one in found].count(str(WRONG)) == 10
    assert world.authenticator.failures == 50


async def test_too_many_at_once_are_put_off_and_not_counted(world: World) -> None:
    hasher = Hasher(waiting=0)
    authenticator = Authenticator(
        world.people, world.authenticator._throttle, hasher, lambda: 0, b"", world._emit
    )
    for _ in range(50):
        with pytest.raises(Refused) as refused:
            await plain(authenticator, "ann", ANN)
        assert refused.value.reply == BUSY
    hasher.close()
    assert await plain(world.authenticator, "ann", ANN) == "ann"


async def test_the_log_tells_neither_passwords_nor_strange_names(world: World) -> None:
    for login, password in (("ann", "hunter2secret"), ("hunter2secret", ANN)):
        with pytest.raises(Refused):
            await plain(world.authenticator, login, password)
    assert [fields["user"] for _, fields in world.emitted] == ["ann", ""]
    assert "hunter2" not in str(world.emitted)
    assert ANN not in str(world.emitted)


@pytest.mark.parametrize(
    "message", [b"", b"ann", b"\0ann\0", b"\0\0secret", b"x\0ann\0pw", b"\0a\0b\0c", b"\0\xff\0x"]
)
async def test_plain_messages_that_are_none(world: World, message: bytes) -> None:
    exchange = world.authenticator.begin("PLAIN", CLIENT)
    assert exchange is not None
    with pytest.raises(Refused, match="501"):
        await exchange.step(message)


async def test_nothing_is_expected_after_the_proof(world: World) -> None:
    assert world.authenticator.begin("CRAM-MD5", CLIENT) is None
    assert world.authenticator.begin("", CLIENT) is None


def test_whom_a_user_may_send_as(world: World) -> None:
    may = world.people.may_send_as
    for sender in ("ann@site.test", "ANN@SECOND.TEST", "info@site.test", "any@lab.test"):
        assert may("ann", sender)
    for sender in ("bob@site.test", "info@second.test", "x@sub.lab.test", "", "ann"):
        assert not may("ann", sender)
    assert not may("nobody", "nobody@site.test")
    world.change(ann=User(may_send_as=("*",)))
    assert may("ann", "who@ever.test")
    world.change(bob=User())
    assert not may("ann", "ann@site.test")


async def test_who_has_many_passwords_waiting_is_sent_away(world: World) -> None:
    """Each of them has cost a handshake; none before is counted until it has been tried."""
    authenticator = world.authenticator
    guesses = [asyncio.create_task(plain(authenticator, f"n{one}", "x")) for one in range(4)]
    assert not authenticator.locked_out(CLIENT)
    await asyncio.sleep(0)
    assert authenticator.locked_out(CLIENT)
    assert not authenticator.locked_out("192.0.2.2")
    await asyncio.gather(*guesses, return_exceptions=True)
    assert not authenticator.locked_out(CLIENT)
    assert await plain(authenticator, "ann", ANN) == "ann"
    guesses = [asyncio.create_task(plain(authenticator, f"n{one}", "x")) for one in range(4)]
    await asyncio.sleep(0)
    assert not authenticator.locked_out(CLIENT)  # ann is at home there
    await asyncio.gather(*guesses, return_exceptions=True)
