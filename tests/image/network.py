"""A bridge with two machines on it and a client, in a namespace with no way to anywhere else."""

from __future__ import annotations

import smtplib
from collections.abc import Sequence

from tests.netns.namespace import Namespace

CLIENT, VIRTUAL = "192.0.2.20", "192.0.2.10"  # RFC 5737: nobody's outside
ADDRESSES = {"a": "192.0.2.11", "b": "192.0.2.12"}
PREFIX = 24


class Network:
    """Gone when this process is. The client is the namespace itself, at the bridge."""

    def __init__(self) -> None:
        self.namespace = Namespace()
        run = self.namespace.run
        run("ip", "link", "add", "front", "type", "bridge")
        run("ip", "address", "add", f"{CLIENT}/{PREFIX}", "dev", "front")
        run("ip", "link", "set", "front", "up")
        for name in ADDRESSES:
            run("ip", "tuntap", "add", tap(name), "mode", "tap")
            run("ip", "link", "set", tap(name), "master", "front", "up")

    def send(self, sender: str, recipients: Sequence[str]) -> None:
        """One message to the virtual address; raises OSError, SMTPException unless it gets 250."""
        with (
            self.namespace.entered(),
            smtplib.SMTP(VIRTUAL, 25, "client.test", 30, (CLIENT, 0)) as client,
        ):
            client.sendmail(sender, recipients, f"Subject: from {sender}\r\n\r\nx\r\n")

    def close(self) -> None:
        """Let go of it."""
        self.namespace.close()


def tap(name: str) -> str:
    """The bridge's end of a machine's cable."""
    return f"tap{name}"
