"""A bundle on two bare Debian 13 machines with systemd: installed, paired, killed, updated."""

from __future__ import annotations

import smtplib
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
import pytest

from tests.install.later import NOTES, SICK, UNMIGRATABLE
from tests.install.machine import Machine
from tests.install.site import Site, site
from tests.install.waiting import PATIENCE, holds, mode, runs, until
from tests.netns.namespace import Failed


def subjects(machine: Machine) -> list[str]:
    """The subjects in alice's mailbox on that node."""
    machine.run("rm", "-rf", "/tmp/alice.mbox")
    try:
        machine.run("twinpost", "mailbox", "export", "alice", "--to", "/tmp/alice.mbox")
    except Failed:
        return []
    text = machine.run("cat", "/tmp/alice.mbox")
    return [line[9:] for line in text.splitlines() if line.startswith("Subject: ")]


def has_all(machine: Machine, sent: Sequence[str]) -> bool:
    """Perhaps more than once: a client that lost its connection has sent again."""
    return set(sent) <= set(subjects(machine))


def send_until_taken(pair: Site, subject: str) -> None:
    """As a client does: again, until it gets its 250."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            pair.send(subject)
        except (OSError, smtplib.SMTPException):
            assert time.monotonic() < end, "no 250 in two minutes"
            continue
        return


def test_a_pair_of_machines_from_bundle_to_update(tmp_path: Path) -> None:
    with site(tmp_path) as pair:
        first, second = pair.stick.burn("1.0.0"), pair.stick.burn("1.0.1", NOTES)
        sick = pair.stick.burn("1.0.2", NOTES, SICK)
        unmigratable = pair.stick.burn("1.0.3", NOTES, UNMIGRATABLE)
        refuses_what_it_should(pair, first)
        for machine in pair.machines:
            pair.install(machine, first, "--allow-test-key")
        pair.configure(pair.a, pair.lab.b, 150)
        pair.configure(pair.b, pair.lab.a, 100)
        pair.pair()
        until(lambda: mode(pair.a) == mode(pair.b) == "paired")
        has_no_more_rights_than_it_needs(pair.a)
        lets_in_its_own_ports_only(pair)
        sent = [f"before {number}" for number in range(20)]
        for subject in sent:
            send_until_taken(pair, subject)
        sent += loses_nothing_when_the_power_goes(pair, sent)
        sent += loses_nothing_in_an_update(pair, second)
        goes_back_as_the_boot_menu_has_it(pair)
        goes_back_from_what_does_not_work(pair, sick, "does not do its work")
        goes_back_from_what_does_not_work(pair, unmigratable, "migrated")
        for machine in pair.machines:
            until(partial(has_all, machine, sent))


def refuses_what_it_should(pair: Site, name: str) -> None:
    """Neither a bundle by a key for tests, nor one with another fingerprint than on paper."""
    with pytest.raises(Failed, match="made for tests"):
        pair.install(pair.a, name)
    pair.stick.fingerprint, right = pair.stick.fingerprint[::-1], pair.stick.fingerprint
    with pytest.raises(Failed, match="not the key on the paper"):
        pair.install(pair.a, name, "--allow-test-key")
    pair.stick.fingerprint = right
    assert not (pair.a.root / "opt/twinpost/current").exists()


def has_no_more_rights_than_it_needs(machine: Machine) -> None:
    units = ("twinpost.service", "twinpost-firewall.service")
    machine.run("systemd-analyze", "security", "--no-pager", "--threshold=30", *units)
    pids = machine.run("pgrep", "--full", "appliance.cli service").split()
    rights = {}
    for pid in pids:
        name = machine.run("cat", f"/proc/{pid}/cmdline").split("\0")[5]
        status = machine.run("cat", f"/proc/{pid}/status")
        assert "\nNoNewPrivs:\t1\n" in status
        rights[name] = int(status.split("CapEff:\t")[1].split()[0], 16)
    bind, admin, raw, lock, nice = 1 << 10, 1 << 12, 1 << 13, 1 << 14, 1 << 23
    assert rights.pop("failover") == admin | raw | lock | nice
    assert rights.pop("mail") == bind
    assert set(rights) >= {"delivery", "control", "search"}
    assert set(rights.values()) == {0}


def lets_in_its_own_ports_only(pair: Site) -> None:
    own = pair.a.host.addresses[0]
    with pair.a.host.namespace.entered():
        listener = socket.create_server((own, 9999))
    with listener, pair.lab.client.namespace.entered():
        with pytest.raises(TimeoutError):
            socket.create_connection((own, 9999), timeout=1).close()
        with pytest.raises(TimeoutError):  # the link is the other node's
            socket.create_connection((own, 2526), timeout=1).close()
        with socket.create_connection((own, 25), timeout=5) as served:
            assert served.recv(3) == b"220"


def loses_nothing_when_the_power_goes(pair: Site, sent: list[str]) -> list[str]:
    """Of the node that serves: which one that is, is nobody's choice."""
    until(lambda: holds(pair.a) or holds(pair.b))
    lost, left = (pair.a, pair.b) if holds(pair.a) else (pair.b, pair.a)
    lost.power_off()
    after = [f"alone {number}" for number in range(5)]
    started = time.monotonic()
    for subject in after:
        send_until_taken(pair, subject)
        if subject == after[0]:
            print(f"first 250 after the power went: {time.monotonic() - started:.1f} s")
    until(partial(has_all, left, sent + after))
    lost.power_on()
    until(lambda: mode(pair.a) == mode(pair.b) == "paired")
    return after


def ended(process: subprocess.Popen[str], patience: float) -> bool:
    """Whether it has ended within so many seconds."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    return process.returncode is not None


def loses_nothing_in_an_update(pair: Site, name: str) -> list[str]:
    """One command on the node with the stick; a client sends all the time."""
    pair.insert_stick(pair.a)
    sent: list[str] = []
    with pair.a.start_as_root("update", "pair", f"/stick/{name}") as rolling:
        while not ended(rolling, 0.05):
            sent.append(f"update {len(sent)}")
            send_until_taken(pair, sent[-1])
        assert rolling.stdout is not None
        assert rolling.wait() == 0, rolling.stdout.read()
    print(f"{len(sent)} messages got 250 while both nodes were updated")
    for machine in pair.machines:
        assert machine.run("twinpost", "--version").split()[-1] == "1.0.1"
        status = msgspec.json.decode(machine.run("twinpost", "update", "status", "--json"))
        assert [one["update"]["phase"] for one in status] == ["done", "done"]
    until(lambda: mode(pair.a) == mode(pair.b) == "paired")
    send_until_taken(pair, "noted")
    for machine in pair.machines:
        assert rows(machine, "SELECT count(*) FROM note") != "0"
    return [*sent, "noted"]


def rows(machine: Machine, query: str) -> str:
    """What a query of its spool answers; by the release's own SQLite."""
    program = (
        "import apsw; print(apsw.Connection('/var/lib/twinpost/spool/spool.db',"
        f" flags=apsw.SQLITE_OPEN_READONLY).execute({query!r}).get)"
    )
    return machine.run("/opt/twinpost/current/venv/bin/python", "-c", program).strip()


def goes_back_as_the_boot_menu_has_it(pair: Site) -> None:
    """With the data of before, which know nothing of the last messages; then forth again."""
    pair.a.run("systemctl", "stop", "twinpost.service")
    pair.a.run("/opt/twinpost/updater/venv/bin/python", "-P", "-m", "bundle", "back")
    pair.a.run("systemctl", "start", "twinpost.service", "twinpost-update.service")
    for version in ("1.0.0", "1.0.1"):
        until(partial(runs, pair.a, version))
        until(lambda: mode(pair.a) == mode(pair.b) == "paired")
        if version == "1.0.0":
            pair.a.run("twinpost", "update", "rollback")


def goes_back_from_what_does_not_work(pair: Site, name: str, why: str) -> None:
    """By itself: the release and the data are what they were, and the pair is paired."""
    with pytest.raises(Failed, match=why):
        pair.install(pair.a, name)
    assert pair.a.run("twinpost", "--version").split()[-1] == "1.0.1"
    until(lambda: mode(pair.a) == mode(pair.b) == "paired")
