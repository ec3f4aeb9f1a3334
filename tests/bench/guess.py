"""Guesses passwords: each guess on a connection of its own, whether the last got an answer or not.

A process of its own, `python -m tests.bench.guess --to HOST:PORT …`, where TLS comes first. At the
end one line of JSON tells what the guesses were answered.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import resource
from collections import Counter
from itertools import cycle

import uvloop

from tests.bench.load import any_server

ADDRESSES = 50
_USERS = ("alice", "bob", "carol", "dave")
_PATIENCE = 20.0
_TURNED_AWAY = "turned away"
_NICE = 10


async def guess(to: tuple[str, int], guesses: int, seconds: float) -> Counter[str]:
    """So many in so much time, from loopback addresses in turn; answer → how often."""
    answers: Counter[str] = Counter()
    sources = cycle(f"127.77.7.{number}" for number in range(1, ADDRESSES + 1))
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: None)  # handshakes that were given up
    started, context = loop.time(), any_server()

    async def one(number: int, source: str) -> None:
        # Every other name is nobody's: each has tries of its own.
        user = _USERS[number // 2 % len(_USERS)] if number % 2 else f"nobody{number}"
        word = base64.b64encode(f"\0{user}\0guess {number}".encode()).decode()
        try:
            async with asyncio.timeout(_PATIENCE):
                reader, writer = await asyncio.open_connection(
                    *to, ssl=context, local_addr=(source, 0)
                )
                writer.write(f"EHLO guess.test\r\nAUTH PLAIN {word}\r\nQUIT\r\n".encode())
                said = (await reader.read()).decode()
                writer.close()
            answers[_answer(said)] += 1
        except (OSError, TimeoutError):
            answers[_TURNED_AWAY] += 1

    async with asyncio.TaskGroup() as tasks:
        for number in range(guesses):
            await asyncio.sleep(started + number * seconds / guesses - loop.time())
            tasks.create_task(one(number, next(sources)))
    return answers


def _answer(said: str) -> str:
    codes = [line[:3] for line in said.splitlines() if line[3:4] == " "]
    found = [code for code in codes if code in ("235", "454", "535")]
    return found[0] if found else _TURNED_AWAY


def main() -> None:
    """Guess, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    parser.add_argument("--guesses", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args()
    os.nice(_NICE)  # whoever guesses has a machine of his own elsewhere
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    host, _, port = options.to.rpartition(":")
    answers = uvloop.run(guess((host, int(port)), options.guesses, options.seconds))
    print(json.dumps({"answers": answers}))


if __name__ == "__main__":
    main()
