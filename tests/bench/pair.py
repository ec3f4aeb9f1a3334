"""The pair under measurement: `twinpost demo`, with search or without, seen from outside only."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any, Self

from appliance.services.demo import prepare
from tests.bench.processes import kill_tree
from tests.bench.sink import TOKEN_FIELD
from tests.bench.trial import Invalid, Policy

_TWINPOST = (sys.executable, "-m", "appliance.cli")
_NODES = ("a", "b")
_SITE = """\
domains = [{domains}]
postmaster = "alice"

[users.alice]
[users.bob]
[users.carol]
[users.dave]

[relay]
networks = [{relay}]

[routes]
"*" = {{ {route} }}
"bench.example" = {{ {route} }}

# What was put off stays so for half an hour: longer than any trial.
[retry]
first = []
"""
_POLICIES: Mapping[Policy, str] = {
    "": "",
    "off": """
[policy]
reject_invalid_helo = false
reject_own_helo = false
reject_own_sender = false
""",
    "full": """
[policy]
denied_clients = ["198.51.100.0/24"]
reject_non_fqdn_helo = true
reject_non_fqdn_sender = true
reject_unlisted_sender = true
reject_non_fqdn_recipient = true
access = [
    { action = "reject", sender = ["spam.example", ".spam.example"] },
    { action = "hold", client = ["192.0.2.0/24"], recipient = ["bench.example"] },
]

[policy.rates]
connections_per_minute = 1_000_000
messages_per_minute = 1_000_000
recipients_per_minute = 1_000_000
recipients_per_hour = 10_000_000
""",
}
_TOKEN = re.compile(TOKEN_FIELD + rb": ([\w-]+)\r\n")
_HEAD = 4096  # bytes of a message among which its token is


class Pair:
    """Two nodes with data in `folder`; mail goes to `next_hop`, or is held."""

    listen = ("127.0.0.11", 2525)
    submissions = ("127.0.0.11", 2465)

    def __init__(
        self,
        folder: Path,
        next_hop: tuple[str, int],
        *,
        deliver: bool,
        tls: bool,
        search: bool,
        policy: Policy,
    ) -> None:
        """`tls` makes no difference: it is always offered."""
        self._search = search
        self._folder = folder
        host, port = next_hop
        route = (
            f'transport = "smtp", next_hops = ["{host}:{port}"]'
            if deliver
            else 'transport = "hold"'
        )
        # To a policy clients are strangers, who may send to the site's own domains only.
        self._site = _SITE.format(
            route=route,
            domains='"site.test", "bench.example"' if policy else '"site.test"',
            relay="" if policy else '"127.0.0.0/8"',
        )
        self._site += _POLICIES[policy]
        self._since = 0.0

    def __enter__(self) -> Self:
        """Start; returns when both nodes are paired."""
        self._folder.mkdir()
        site = self._folder / "site.toml"
        site.write_text(self._site, encoding="ascii")
        for member in prepare(self._folder, "127.0.0", site):
            if not self._search:
                with member.layout.node_toml.open("a") as settings:
                    settings.write("\n[search]\nenabled = false\n")
        self._said = self._folder / "demo.log"
        with self._said.open("wb") as said:
            self._demo = subprocess.Popen(
                [*_TWINPOST, "demo", "--headless", "--data", self._folder],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
            )
        # It says READY once both nodes are paired, and ends by itself if they never are.
        assert self._demo.stdout
        if not self._demo.stdout.readline().startswith(b"READY"):
            self._kill()
            raise Invalid(f"the pair did not come up:\n{self._said.read_text(errors='replace')}")
        self._since = monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop at once."""
        self._kill()

    @property
    def roots(self) -> tuple[int, ...]:
        """The demo, parent of both nodes."""
        return (self._demo.pid,)

    def check(self) -> None:
        """Raise Invalid unless both nodes have been paired without a break since the start."""
        for node in _NODES:
            asked = monotonic()
            mode, seconds = self._mode(node)
            if mode != "paired" or seconds < asked - self._since:
                raise Invalid(f"node {node} is {mode} for {seconds:.1f} s, not paired throughout")

    @property
    def keeps_delivered(self) -> bool:
        """Ended messages are kept for days."""
        return True

    def prove(self, tokens: frozenset[str]) -> None:
        """kill -9 everything; raise Invalid unless both databases hold every token."""
        self._kill()
        for node in _NODES:
            spool = self._folder / node / "spool"
            held = _tokens(spool / "spool.db") | _file_tokens(spool / "content")
            if not tokens <= held:
                raise Invalid(f"{len(tokens - held)} accepted messages are not on node {node}")

    def _mode(self, node: str) -> tuple[str, float]:
        """The mode that `twinpost status` tells, and for how many seconds it has lasted."""
        done = subprocess.run(
            [*_TWINPOST, "status", "--json", "--data", self._folder / node],
            capture_output=True,
            check=False,
        )
        if not done.stdout:
            return "down", 0.0
        status: Mapping[str, Any] = json.loads(done.stdout)
        mail = status["mail"]
        return (mail["mode"], mail["mode_for"] / 1000) if mail else ("down", 0.0)

    def _kill(self) -> None:
        if self._demo.poll() is None:
            kill_tree(self._demo.pid)
            self._demo.wait()


def _tokens(spool: Path) -> frozenset[str]:
    """The tokens of all messages with content in a spool, read by another SQLite than ours."""
    with closing(sqlite3.connect(spool)) as database:
        rows = database.execute(
            "SELECT substr(body, 1, ?) FROM content JOIN message USING (key)", (_HEAD,)
        )
        found = (_TOKEN.search(head) for (head,) in rows)
        return frozenset(match[1].decode() for match in found if match)


def _file_tokens(content: Path) -> frozenset[str]:
    """The tokens of large messages, whose content is a file."""
    found = set[str]()
    for path in content.iterdir():
        with path.open("rb") as file:
            match = _TOKEN.search(file.read(_HEAD))
        if match and path.suffix != ".part":
            found.add(match[1].decode())
    return frozenset(found)
