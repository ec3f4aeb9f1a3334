"""A private Postfix to measure beside: own queue, own ports, loopback only, no DNS.

Debian's package (`apt install postfix`) and root are needed; the system's own Postfix, running or
not, is left alone. Where its defaults would slow it down here for reasons that have nothing to do
with the comparison, they are lifted: no look-up of client names, no pause of the SMTP server when
mail comes faster than it goes, as many processes as there are connections.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from appliance.trust.authority import Authority, new_key
from appliance.trust.certificate import key_pem
from tests.bench.trial import Invalid, Policy

_MAIN = """\
compatibility_level = 3.6
config_directory = {base}/etc
queue_directory = {base}/queue
data_directory = {base}/data
daemon_directory = {daemons}
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file_prefixes = {base}
maillog_file = {base}/log/mail.log
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = postfix.bench.test
mydestination =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtpd_tls_security_level = {tls}
smtpd_tls_chain_files = {base}/etc/tls.pem
smtpd_tls_loglevel = 0
smtp_tls_security_level = none
alias_maps =
local_recipient_maps =
relayhost = {relayhost}
smtp_host_lookup = native
disable_dns_lookups = yes
defer_transports = {defer_transports}
message_size_limit = 60000000
mailbox_size_limit = 0
default_process_limit = 300
in_flow_delay = 0
bounce_queue_lifetime = 1d
"""

# Debian's master.cf without chroot (it needs files copied into the queue directory) and without
# what takes no part: local delivery, pickup, other transports.
_MASTER = """\
{listen} inet n - n - - smtpd
cleanup    unix  n - n - 0 cleanup
qmgr       unix  n - n 300 1 qmgr
tlsmgr     unix  - - n 1000? 1 tlsmgr
rewrite    unix  - - n - - trivial-rewrite
bounce     unix  - - n - 0 bounce
defer      unix  - - n - 0 bounce
trace      unix  - - n - 0 bounce
verify     unix  - - n - 1 verify
flush      unix  n - n 1000? 0 flush
proxymap   unix  - - n - - proxymap
smtp       unix  - - n - - smtp
relay      unix  - - n - - smtp
showq      unix  n - n - - showq
error      unix  - - n - - error
retry      unix  - - n - - error
discard    unix  - - n - - discard
anvil      unix  - - n - 1 anvil
scache     unix  - - n - 1 scache
postlog    unix-dgram n - n - 1 postlogd
"""

_QUEUES = ("incoming", "active", "deferred", "hold", "corrupt")


def absent() -> str | None:
    """Why there is no Postfix to measure here, None if there is one."""
    if shutil.which("postfix", path="/usr/sbin:/usr/bin") is None:
        return "it is not installed (apt install postfix)"
    if os.geteuid() != 0:
        return "it starts for root only"
    return None


class Postfix:
    """One private instance in `folder`, relaying everything to `next_hop` or deferring it."""

    listen = ("127.0.0.31", 2525)
    submissions = ("127.0.0.31", 2465)  # nobody listens: it is not measured with guesses

    def __init__(
        self,
        folder: Path,
        next_hop: tuple[str, int],
        *,
        deliver: bool,
        tls: bool = False,
        search: bool = False,
        policy: Policy = "",
    ) -> None:
        self._base = folder
        self._tls = tls
        self._files = {
            "main.cf": _MAIN.format(
                base=folder,
                daemons=_setting("daemon_directory"),
                relayhost=f"[{next_hop[0]}]:{next_hop[1]}",
                defer_transports="" if deliver else "smtp",
                tls="may" if tls else "none",
            ),
            "master.cf": _MASTER.format(listen="{}:{}".format(*self.listen)),
        }

    def __enter__(self) -> Self:
        """Start; returns when it listens."""
        for folder in ("etc", "queue", "data", "log"):
            (self._base / folder).mkdir(parents=True)
        # Its processes drop to the user postfix, and look their files up by absolute paths.
        self._base.chmod(0o755)
        shutil.chown(self._base / "data", "postfix")
        for name, text in self._files.items():
            (self._base / "etc" / name).write_text(text, encoding="ascii")
        if self._tls:  # a certificate like ours, so that handshakes cost the same
            key = new_key()
            now = datetime.now(UTC)
            chain = Authority.create("bench.test", now).issue(key, ["postfix.bench.test"], [], now)
            pem = key_pem(key) + chain.pem()
            (self._base / "etc" / "tls.pem").write_text(pem, encoding="ascii")
        self._run("start")
        return self

    def __exit__(self, *_: object) -> None:
        """Stop at once and remove its files."""
        self._run("abort", check=False)
        shutil.rmtree(self._base)

    @property
    def roots(self) -> tuple[int, ...]:
        """The master process, parent of all others."""
        return (int((self._base / "queue/pid/master.pid").read_text(encoding="ascii")),)

    def check(self) -> None:
        """Raise Invalid if it does not run."""
        if not all(Path(f"/proc/{pid}").exists() for pid in self.roots):
            raise Invalid("Postfix is gone")

    @property
    def keeps_delivered(self) -> bool:
        """Postfix removes a message when it is delivered."""
        return False

    def prove(self, tokens: frozenset[str]) -> None:
        """Stop; raise Invalid unless every message has its queue file."""
        self._run("abort", check=False)
        queue = self._base / "queue"
        files = sum(len(names) for part in _QUEUES for _, _, names in os.walk(queue / part))
        if files < len(tokens):
            raise Invalid(f"Postfix said 250 to {len(tokens)} and has {files} queue files")

    def _run(self, command: str, *, check: bool = True) -> None:
        done = subprocess.run(
            ["/usr/sbin/postfix", "-c", str(self._base / "etc"), command],
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            # It tells its reasons to a terminal or the log, never to a pipe.
            raise RuntimeError(f"in a terminal, {' '.join(done.args)} says why it fails")


def _setting(name: str) -> str:
    shown = subprocess.run(
        ["/usr/sbin/postconf", "-d", "-h", name], capture_output=True, text=True, check=True
    )
    return shown.stdout.strip()
