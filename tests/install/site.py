"""Two installed machines, paired, and a client beside them."""

from __future__ import annotations

import shutil
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bundle import build, keys
from bundle.build import Signer
from tests.install.later import Patch, apply
from tests.install.machine import Machine
from tests.netns.lab import CLIENT, VIRTUAL, Host, Lab

CHECKOUT = Path(__file__).parents[2]
_NODE = """\
name = "{name}"
hostname = "mail-{name}.site.test"
[smtp]
listen = ["{own}:25", "{virtual}:25"]
submission = ["{own}:587"]
[link]
listen = "{own}:2526"
pairing = "{own}:2527"
peer = "{peer}:2526"
[failover]
paths = [{{ listen = "{own}:2528", peer = "{peer}:2528" }}]
[console]
group = "twinpost-console"
[[failover.routers]]
vrid = 1
addresses = ["{virtual}/24"]
priority = {priority}
interface = "eth0"
"""
_SITE = """\
domains = ["site.test"]
[relay]
networks = ["192.0.2.0/24"]
[users.alice]
"""


class Stick:
    """Bundles as they come to the site, and the key on its paper."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._private = folder.parent / "bundle.key"
        folder.mkdir()
        public = keys.make(self._private)
        self.fingerprint = public.fingerprint
        (folder / "key.pub").write_text(public.pem)

    def burn(self, version: str, *patches: Patch) -> str:
        """A bundle of this checkout, changed, that says it is `version`; its name on the stick."""
        checkout = self.folder.parent / f"checkout-{version}"
        shutil.copytree(
            CHECKOUT, checkout, ignore=shutil.ignore_patterns(".*", "demo-data", "dist")
        )
        project = checkout / "pyproject.toml"
        written = project.read_text("utf-8")
        now = f'version = "{build.version(CHECKOUT)}"'
        assert written.count(now) == 1
        project.write_text(written.replace(now, f'version = "{version}"'), "utf-8")
        apply(checkout, *patches)
        name = f"twinpost-{version}.bundle"
        signer = Signer(self._private, test=True)
        build.build(checkout, self.folder / name, signer, tell=lambda text: None)
        installer = self.folder / "twinpost-install.pyz"
        subprocess.run(
            [sys.executable, "-c", "import sys; from pathlib import Path; "
             "from bundle.installer import write_installer; write_installer(Path(sys.argv[1]))",
             str(installer)],
            cwd=checkout,
            check=True,
        )  # fmt: skip
        return name


class Site:
    """The pair."""

    def __init__(self, lab: Lab, stick: Stick, folder: Path) -> None:
        self.lab = lab
        self.stick = stick
        self.a = Machine(lab.a, folder / "a")
        self.b = Machine(lab.b, folder / "b")
        self.machines = (self.a, self.b)

    def insert_stick(self, machine: Machine) -> None:
        """Its files are in /stick then."""
        shutil.copytree(self.stick.folder, machine.root / "stick", dirs_exist_ok=True)

    def install(self, machine: Machine, name: str, *options: str) -> str:
        """Put the stick in, and install from it."""
        self.insert_stick(machine)
        known = (machine.root / "opt/twinpost/trusted.pem").exists()
        key = () if known else ("--key", "/stick/key.pub", "--fingerprint", self.stick.fingerprint)
        installer = ("python3", "/stick/twinpost-install.pyz", "install", f"/stick/{name}")
        return machine.run(*installer, *key, *options)

    def configure(self, machine: Machine, peer: Host, priority: int) -> None:
        """Write its settings."""
        own, name = machine.host.addresses[0], machine.host.name
        text = _NODE.format(
            name=name, own=own, peer=peer.addresses[0], virtual=VIRTUAL, priority=priority
        )
        machine.run("install", "-d", "-o", "twinpost", "-g", "twinpost", "/var/lib/twinpost")
        machine.put("/var/lib/twinpost/node.toml", text)
        machine.put("/var/lib/twinpost/site.toml", _SITE)
        machine.run("systemctl", "start", "twinpost", "twinpost-firewall")

    def pair(self) -> None:
        """As two operators would, as root: a code is read out from one to the other."""
        with self.a.start("twinpost", "pair", "init") as inviting:
            assert inviting.stdout is not None
            shown = next(line for line in inviting.stdout if "pair join" in line)
            self.b.run(*shown.split())
            assert inviting.wait(60) == 0

    def send(self, subject: str) -> None:
        """One message to the virtual address; raises OSError, SMTPException until it gets 250."""
        with (
            self.lab.client.namespace.entered(),
            smtplib.SMTP(
                VIRTUAL, 25, local_hostname="client.test", timeout=5, source_address=(CLIENT, 0)
            ) as client,
        ):
            client.sendmail(
                "sender@elsewhere.test", ["alice@site.test"], f"Subject: {subject}\r\n\r\nx\r\n"
            )

    def close(self) -> None:
        """Switch off what is on."""
        for machine in self.machines:
            machine.power_off()


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """Machines that are switched on, with nothing installed."""
    with Lab() as lab:
        made = Site(lab, Stick(folder / "stick"), folder)
        try:
            for machine in made.machines:
                machine.power_on()
            yield made
        finally:
            made.close()
