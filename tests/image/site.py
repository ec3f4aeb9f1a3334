"""The trial's site: an image, two computers that it is installed to, people at their consoles."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from smtplib import SMTPException

from tests.image import disk
from tests.image.machine import Firmware, Machine
from tests.image.network import ADDRESSES, PREFIX, VIRTUAL, Network, tap
from tests.install.site import Stick
from tests.support.operator import BOOT, PATIENCE, Operator
from tests.support.terminal import Missing

CHECKOUT = Path(__file__).parents[2]
OLD, NEW = "1.0.0", "1.1.0"
DOMAIN, WHO, PASSWORD = "site.test", "anna", "correct horse battery"
_DISK = 8 << 30
_ANSWERS = f"""\
[[machine]]
hardware = "{{a}}"
[machine.answers]
name = "a"
domain = "{DOMAIN}"
pair = "new"
virtual = ["{VIRTUAL}/{PREFIX}"]
advertisements = "1s"
[machine.answers.network]
interface = "ens3"
address = "{ADDRESSES["a"]}/{PREFIX}"
[machine.answers.administrator]
name = "{WHO}"
password = "{PASSWORD}"
[[machine]]
hardware = "{{b}}"
"""
_SENDER = re.compile(r"\b(m\d{4})@")
_CODE = re.compile(r"(?:[0-9A-Z]+-){9}[0-9A-Z]+")
INSTALL, UPDATE = 1500.0, 1500.0  # seconds that they may take
_DRAWN = 20.0


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print how long it took."""
    begun = time.monotonic()
    print(f"{what} …", flush=True)
    yield
    print(f"    {time.monotonic() - begun:6.0f} s", flush=True)


class Site:
    """`folder` keeps serial logs and pictures of the screens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.network = Network()
        self.a = Machine("a", folder / "a", Firmware.BIOS, self.network.namespace, tap("a"))
        self.b = Machine("b", folder / "b", Firmware.UEFI, self.network.namespace, tap("b"))
        self.machines = (self.a, self.b)
        self.sent: list[str] = []
        self._bundles = Stick(folder / "bundles")

    # What is made before anybody goes to the site

    def make_image(self) -> Path:
        """The image of the old release, by its own recipe."""
        dist = self.folder / "dist"
        dist.mkdir()
        bundles = self._bundles
        name = bundles.burn(OLD)
        shutil.copyfile(bundles.folder / name, dist / f"twinpost-{OLD}-debian13-amd64.bundle")
        shutil.copyfile(bundles.folder / "key.pub", dist / "twinpost-bundle.pub")
        shutil.copyfile(bundles.folder / "twinpost-install.pyz", dist / "twinpost-install.pyz")
        variables = {"dist": dist, "work": self.folder / "work", "test_key": "true"}
        words = [f"-var={name}={value}" for name, value in variables.items()]
        subprocess.run(
            ["packer", "build", "-color=false", *words, "packer/"], cwd=CHECKOUT, check=True
        )
        shutil.rmtree(self.folder / "work")
        return dist / f"twinpost-{OLD}-amd64.img"

    def make_update(self) -> Path:
        """A stick with the next release."""
        name = self._bundles.burn(NEW)
        files = {name: self._bundles.folder / name}
        return disk.stick(self.folder / "update.img", 128 << 20, "UPDATE", files)

    # What people do there

    def install(self, image: Path) -> None:
        """From one stick, at the same time, with nobody at the keyboards."""
        answers = self.folder / "twinpost-install.toml"
        answers.write_text(_ANSWERS.format(a=self.a.hardware, b=self.b.hardware))
        disk.write(image, answers.name, answers, disk.fat_start(image))
        for machine in self.machines:
            machine.disk = disk.blank(machine.folder / "disk.raw", _DISK)
            machine.power_on(image)
        with ThreadPoolExecutor() as each:
            list(each.map(self._until_installed, self.machines))

    def _until_installed(self, machine: Machine) -> None:
        Operator(machine.terminal).sees(r"Installation from the stick", BOOT)
        machine.picture("live")
        Operator(machine.terminal).sees(r"Step 4 of 7", BOOT)
        machine.picture("installing")
        machine.until_off(INSTALL)

    def log_in(self, machine: Machine, patience: float = BOOT) -> Operator:
        """At its serial line; whoever is logged in stays."""
        operator = Operator(machine.terminal)
        operator.log_in(WHO, PASSWORD, patience)
        return operator

    def pair(self) -> None:
        """The first shows a code, and whoever stands before the second types it there."""
        first = self.log_in(self.a)
        self.a.picture("overview")
        first.goes_to("6", "Pair")
        first.press("i")
        first.sees(r"for 10 minutes and 5 tries")
        first.press("y")
        code = first.sees(rf"({_CODE.pattern})")
        self.a.picture("code")
        second = Operator(self.b.terminal)
        for page, answers in self._answers(code):
            second.sees(rf": {page}")
            self.b.picture(page.lower().replace(" ", "-"))
            second.fills_in(answers)
        second.sees("Password")  # it is a node
        self.is_paired(self.a)
        self.a.picture("paired")

    def is_paired(self, machine: Machine) -> None:
        """As its console says, which is locked whenever its node starts anew."""
        end = time.monotonic() + BOOT
        while True:
            assert time.monotonic() < end, "it is not paired"
            with suppress(Missing):
                operator = self.log_in(machine, 60)
                operator.goes_to("1", "Overview", 30)
                operator.sees(r"mode +paired", 30)
                return

    def _answers(self, code: str) -> Sequence[tuple[str, Sequence[str | None]]]:
        """What the second machine's first boot asks; None: as it stands there."""
        return (
            ("Keyboard", [None]),
            ("Time zone", [None]),
            ("Clock", [None]),
            ("Name of this node", ["b"]),
            ("Network of the clients", [None, f"{ADDRESSES['b']}/{PREFIX}", ""]),
            ("The pair", ["\x1b[B"]),
            ("Join the other node", [f"{ADDRESSES['a']}:2527", code]),
            ("All of it", [None]),
        )

    def at_the_screen(self) -> None:
        """Somebody at the first one's own screen and keyboard: pictures for whoever looks."""
        self.a.types(f"{WHO}\n{PASSWORD}\n")
        self.a.shows_a_screen(PATIENCE)
        for key, name in (("1", "overview"), ("6", "pair"), ("8", "charts"), ("N", "machine")):
            self.a.types(key)
            self.a.terminal.quiet(_DRAWN, _DRAWN)  # it may be drawn at leisure
            self.a.picture(f"screen-{name}")

    def sets_the_clock(self) -> None:
        """At the first one's console; a day later is told from any other change."""
        operator = self.log_in(self.a)
        operator.goes_to("N", "Machine")
        day = date.fromisoformat(operator.sees(r"clock +(\d{4}-\d\d-\d\d) "))
        wanted = f"{day + timedelta(1)} 12:00:00"
        operator.press("c")
        operator.sees("Dates of mail")
        operator.press("end")
        operator.press("ctrl-u")
        operator.enters(wanted)
        operator.sees(rf"clock +{wanted[:14]}")

    def send(self, number: int, patience: float = 0.0) -> None:
        """So many messages, each until it has its 250."""
        for _ in range(number):
            name = f"m{len(self.sent) + 1:04}"
            end = time.monotonic() + patience
            while True:
                try:
                    self.network.send(f"{name}@elsewhere.test", [f"postmaster@{DOMAIN}"])
                    break
                except (OSError, SMTPException):
                    if time.monotonic() > end:
                        raise
            self.sent.append(name)

    def finds_all(self, operator: Operator) -> None:
        """Everything that got 250 lies in the mailbox, as the console shows it page by page."""
        operator.goes_to("M", "Mailboxes")
        operator.sees(r"postmaster +[\d,]+ ")
        operator.press("enter")
        missing = set(self.sent)
        look: Callable[[str], object] = operator.sees
        while missing:
            look(rf"\b({'|'.join(sorted(missing))})@")
            operator.terminal.quiet(2, 30)
            missing -= set(_SENDER.findall(operator.terminal.text))
            look = partial(operator.presses_until, "page-down")
        operator.press("escape")

    def update(self, stick: Path) -> None:
        """Both nodes from one stick, at the first one's console, with mail going on."""
        self.a.monitor.plug("update", stick, writable=False)
        operator = self.log_in(self.a)
        operator.goes_to("N", "Machine")
        operator.sees("UPDATE")
        operator.press("enter")
        operator.sees("It is at")
        operator.goes_to("U", "Updates")
        operator.sees(rf"{re.escape(NEW)} .*whole, and trusted", 600)
        self.a.picture("update")
        operator.press("u")
        operator.sees("Both nodes get release")
        operator.press("y")
        said = self._mail_meanwhile()
        self.a.picture("updated")
        assert said == "both nodes run it", said
        for machine in self.machines:
            operator = self.log_in(machine)
            operator.goes_to("U", "Updates")
            operator.sees(rf"Releases +\w {re.escape(NEW)} +\w {re.escape(NEW)}")

    def _mail_meanwhile(self) -> str:
        """How the update ended; the console is locked whenever its node was stopped."""
        end = time.monotonic() + UPDATE
        while True:
            assert time.monotonic() < end, "neither updated nor stopped"
            self.send(1, 300)
            with suppress(Missing):
                operator = self.log_in(self.a, 20)
                operator.goes_to("U", "Updates", 20)
                return operator.sees(rf"to {re.escape(NEW)} .*(both nodes run it|stopped:.*)", 20)

    def goes_back(self) -> None:
        """The power goes, and somebody chooses the release before in the boot menu."""
        self.a.power_off()
        self.a.power_on()
        operator = Operator(self.a.terminal)
        operator.sees("the release before the last update", BOOT)
        operator.presses_until("down", r"\*Twinpost, the release before", 60)
        self.a.picture("boot-menu")
        operator.press("enter")
        self._runs(OLD)
        operator = self.log_in(self.a)
        operator.goes_to("U", "Updates")
        operator.press("b")
        operator.sees(f"uses release {re.escape(NEW)} again")
        operator.enters("a")
        self._runs(NEW)

    def _runs(self, release: str) -> None:
        """The first one, and the pair is a pair."""
        end = time.monotonic() + UPDATE
        while True:
            assert time.monotonic() < end, f"it does not run {release}"
            with suppress(Missing):
                operator = self.log_in(self.a, 60)
                operator.goes_to("U", "Updates", 30)
                operator.sees(rf"Releases +a {re.escape(release)}\b", 30)
                break
        self.is_paired(self.a)

    def report(self) -> None:
        """Onto a stick at the console, and verified at home."""
        stick = disk.stick(self.folder / "reports.img", 64 << 20, "REPORTS", {})
        self.a.monitor.plug("reports", stick, writable=True)
        operator = self.log_in(self.a)
        operator.goes_to("R", "Reports")
        for key, says, written in (
            ("n", "A report of now", "2 files written"),
            ("k", "The public key", "1 file written"),
        ):
            operator.presses_until(key, says)
            operator.sees("There is REPORTS")
            operator.press("enter")
            operator.sees(written, 600)
        self.a.picture("report")
        self.a.monitor.pull("reports")
        found = disk.names(stick)
        [page] = [name for name in found if name.endswith(".html")]
        [key] = [name for name in found if name.endswith(".pub")]
        for name in (page, key):
            disk.read(stick, name, self.folder / name)
        command = (sys.executable, "-P", "-m", "appliance.cli", "report", "verify")
        files = (str(self.folder / page), "--key", str(self.folder / key))
        print(subprocess.run([*command, *files], check=True, capture_output=True, text=True).stdout)

    def close(self) -> None:
        """Stop what runs."""
        for machine in self.machines:
            machine.power_off()
        self.network.close()
