"""How long after its 250 a message can be found, on a pair that takes 10,000 a minute."""

from __future__ import annotations

import smtplib
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from appliance.control.client import ApiError, Client, NotRunning
from tests.bench.pair import Pair
from tests.bench.processes import SinkProcess
from tests.bench.search_corpus import Corpus

_RATE = 10_000 / 60
_PROBED = 25
"""Every so many messages one is looked for."""
_TARGET = 5.0
_PATIENCE = 60.0
_CONNECTIONS = 8
_SINK = "127.0.0.41"


def measure(folder: Path, corpus: Corpus, seconds: float) -> bool:
    """Send for so long, look for some on either node, and print; true if one took too long."""
    sent: list[tuple[str, float]] = []
    delays = [list[float](), list[float]()]
    over = threading.Event()
    with (
        SinkProcess(_SINK) as sink,
        Pair(folder / "pair", sink.listen, deliver=True, tls=False, search=True, policy="") as pair,
    ):
        probes = [
            threading.Thread(target=_probe, args=(folder / "pair" / node, sent, over, found))
            for node, found in zip("ab", delays, strict=True)
        ]
        for probe in probes:
            probe.start()
        behind = _send(pair.listen, corpus, seconds, sent)
        over.set()
        for probe in probes:
            probe.join()
    print(
        f"found after 250, at {_RATE * 60:,.0f} messages a minute, delivered meanwhile:"
        + ", ".join(_told(node, found) for node, found in zip("ab", delays, strict=True))
        + f" (target {_TARGET:.0f} s)"
        + (f"; the load was up to {behind:.1f} s late" if behind > 1 else "")
    )
    return any(max(found) > _TARGET for found in delays)


def _told(node: str, found: Sequence[float]) -> str:
    return f" node {node} median {median(found):.1f} s, at most {max(found):.1f} s of {len(found)}"


def _send(
    to: tuple[str, int], corpus: Corpus, seconds: float, sent: list[tuple[str, float]]
) -> float:
    """Send at an even rate; how late it was at most."""
    began, count = time.monotonic() + 1, int(seconds * _RATE)
    with ThreadPoolExecutor(_CONNECTIONS) as threads:
        late = [
            threads.submit(_connection, to, corpus, began, range(first, count, _CONNECTIONS), sent)
            for first in range(_CONNECTIONS)
        ]
        return max(one.result() for one in late)


def _connection(
    to: tuple[str, int], corpus: Corpus, began: float, numbers: range, sent: list[tuple[str, float]]
) -> float:
    late = 0.0
    with smtplib.SMTP(*to, local_hostname="client.test") as client:
        client.ehlo()
        for number in numbers:
            wait = began + number / _RATE - time.monotonic()
            late = max(late, -wait)
            time.sleep(max(0.0, wait))
            token = f"fresh{number}"
            subject = f"Subject: {token} ".encode()
            client.mail("ward@site.test")
            client.rcpt("lab@bench.example")
            code, text = client.data(
                corpus.letter(number).content.replace(b"Subject: ", subject, 1)
            )
            if code != 250:
                raise RuntimeError(f"{code} {text!r}")
            if number % _PROBED == 0:
                sent.append((token, time.monotonic()))
    return late


def _probe(
    data: Path, sent: list[tuple[str, float]], over: threading.Event, delays: list[float]
) -> None:
    """Look for each of `sent` in turn until it is found."""
    client = Client(data / "run" / "control.sock")
    at = 0
    while not over.is_set() or at < len(sent):
        if at < len(sent):
            token, when = sent[at]
            if _finds(client, token) or time.monotonic() - when > _PATIENCE:
                delays.append(time.monotonic() - when)
                at += 1
                continue
        time.sleep(0.1)


def _finds(client: Client, token: str) -> bool:
    try:
        return bool(client.search(f"subject:{token}", 1, snippets=False).hits)
    except (ApiError, NotRunning):
        return False
