"""Where things lie in a node's data directory."""

from __future__ import annotations

import os
from pathlib import Path

from appliance.config.node import NodeSettings, PathSettings, load_node

NODE_TOML = "node.toml"


class Layout:
    """The paths of one node, from its data directory and node.toml's [paths]."""

    def __init__(self, data: Path, paths: PathSettings) -> None:
        self.data = data.absolute()
        self.node_toml = self.data / NODE_TOML
        self.site_toml = self.data / "site.toml"
        self.keys = self.data / "keys"
        self.spool = self.data / (paths.spool or "spool")
        self.run = self.data / (paths.run or "run")
        self.log = self.data / (paths.log or "log")
        self.lock = self.data / "lock"
        self.mail_socket = self.run / "mail.sock"
        self.control_socket = self.run / "control.sock"
        self.failover_socket = self.run / "failover.sock"
        self.balance_socket = self.run / "balance.sock"
        self.delivery_socket = self.run / "delivery.sock"
        self.search_socket = self.run / "search.sock"
        self.monitor = self.data / "monitor"
        """Events, figures, alerts, jobs: nothing that mail needs."""
        self.reports = self.data / "reports"
        """Weekly reports; made when the first one is."""
        self.index = self.data / (paths.index or "index")
        """The search index: all of it can be made anew from the spool."""
        self.maintenance = self.data / "maintenance"
        """There while the node is in maintenance."""
        self.incoming = self.data / "incoming"
        """A bundle on its way, and which update of the pair is under way."""
        self.trial = self.data / "trial"
        """There while a release is on trial: nothing is promised that the peer has not."""

    def log_file(self, process: str) -> Path:
        """The log of one process."""
        return self.log / f"{process}.log"

    def create(self) -> None:
        """Make the folders that are missing; keys, mail and sockets are for the owner only."""
        for folder in (self.data, self.log):
            folder.mkdir(parents=True, exist_ok=True)
        for private in (self.keys, self.spool, self.run, self.monitor):
            private.mkdir(parents=True, exist_ok=True, mode=0o700)
            if private.stat().st_uid == os.geteuid():
                # An older release made some of them for everybody. The console's group may
                # pass through `run`, to the one socket there that is for it.
                group = private.stat().st_mode & 0o010 if private == self.run else 0
                private.chmod(0o700 | group)


def open_layout(data: Path) -> tuple[Layout, NodeSettings]:
    """The layout and settings of the node in `data`; raises ConfigError."""
    settings = load_node(data / NODE_TOML)
    return Layout(data, settings.paths), settings
