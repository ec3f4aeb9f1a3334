"""The thread that tries passwords: it rests after wrong ones only, and yields to mail."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from appliance.identity.credential import BadPassword, made
from appliance.identity.hasher import Busy, Hasher, _Line

KNOWN = made("correct horse", 0).argon2


async def test_it_rests_after_wrong_passwords() -> None:
    rests: list[float] = []
    hasher = Hasher(rest=4, pause=rests.append)
    assert await hasher.fits(KNOWN, "correct horse")
    assert not await hasher.fits(KNOWN, "wrong")
    assert not await hasher.fits(None, "correct horse")
    assert await hasher.fits(KNOWN, "correct horse")  # after both rests
    assert len(rests) == 2
    assert all(0 < one <= 0.5 for one in rests)
    hasher.close()


async def test_a_new_password_is_made_in_turn() -> None:
    rests: list[float] = []
    hasher = Hasher(pause=rests.append)
    kept = await hasher.made("a new password", 7)
    assert await hasher.fits(kept.argon2, "a new password")
    with pytest.raises(BadPassword):
        await hasher.made("short", 7)
    assert rests == []
    hasher.close()


async def test_strangers_wait_for_strangers_only() -> None:
    gate = threading.Event()
    hasher = Hasher(waiting=2, pause=lambda seconds: gate.wait())
    assert not await hasher.fits(KNOWN, "wrong")  # now its thread rests
    guesses = [asyncio.create_task(hasher.fits(KNOWN, f"guess {one}")) for one in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await hasher.fits(KNOWN, "correct horse")
    assert await hasher.fits(KNOWN, "correct horse", stranger=False)
    assert not any(one.done() for one in guesses)
    gate.set()
    assert await asyncio.gather(*guesses) == [False, False]
    hasher.close()


async def test_who_has_guessed_less_is_before_who_has_guessed_more() -> None:
    """A crowd of guessers keeps waiting whoever is there for the first time no longer than one."""
    gate = threading.Event()
    hasher = Hasher(pause=lambda seconds: gate.wait())
    done: list[str] = []

    async def tried(password: str, tries: int) -> None:
        await hasher.fits(KNOWN, password, tries=tries)
        done.append(password)

    assert not await hasher.fits(KNOWN, "wrong")  # now its thread rests
    crowd = [asyncio.create_task(tried(f"guess {one}", 9 - one)) for one in range(4)]
    await asyncio.sleep(0)
    first = asyncio.create_task(tried("correct horse", 1))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(first, *crowd)
    assert done == ["guess 0", "correct horse", "guess 3", "guess 2", "guess 1"]
    hasher.close()


async def test_who_leaves_while_waiting_holds_up_nobody() -> None:
    line = _Line("strangers")

    async def wait() -> None:
        async with line.turn(0):
            pass

    async with line.turn(0):
        gone, late, last = (asyncio.create_task(wait()) for _ in range(3))
        await asyncio.sleep(0)
        gone.cancel()
    late.cancel()  # it has the turn, and does not know it yet
    async with asyncio.timeout(60):
        await last
    assert line.waiting == 0
    line.pool.shutdown()


def test_its_thread_yields_to_others() -> None:
    hasher = Hasher()
    nice = hasher._strangers.pool.submit(
        lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    ).result()
    assert nice > 0
    assert nice >= os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    hasher.close()
