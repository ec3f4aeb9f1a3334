"""One bare Debian 13 becomes an appliance: helper, clock, console, sticks, rights of all units."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.install.by_keys import does_it_all_by_keys
from tests.install.kiosk import kiosk
from tests.install.machine import Machine
from tests.install.site import Site, site
from tests.install.stick import plugged_in
from tests.install.waiting import mode, until
from tests.netns.namespace import Failed

_ASK = """\
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("/run/twinpost-helper/helper.sock")
s.sendall(b'{"by":"x","request":{"do":"GetMachine"}}\\n')
print(s.makefile().readline())
"""
_EXPOSURE = {
    "twinpost.service": 30,
    "twinpost-helper.service": 35,
    "twinpost-console@tty1.service": 15,
    "twinpost-clock.service": 20,
    "twinpost-firewall.service": 30,
}


def test_an_appliance(tmp_path: Path) -> None:
    with site(tmp_path) as pair:
        bundle = pair.stick.burn("1.0.0")
        for machine, peer, priority in ((pair.a, pair.lab.b, 150), (pair.b, pair.lab.a, 100)):
            # All machines here have one clock, which is not ours.
            machine.put("/etc/default/chrony", 'DAEMON_OPTS="-F 1 -x"\n')
            print(pair.install(machine, bundle, "--allow-test-key", "--appliance"))
            machine.run("install", "-d", "-o", "twinpost", "-g", "twinpost", "/var/lib/twinpost")
            pair.configure(machine, peer, priority)
            machine.power_off()
            machine.take_loops()
            machine.power_on()
        pair.pair()
        until(lambda: mode(pair.a) == mode(pair.b) == "paired")
        says_how_its_units_are_shut_in(pair.a)
        answers_the_nodes_user_only(pair.a)
        follows_its_peers_clock(pair)
        shows_a_console_that_runs_nothing(pair.a, tmp_path / "console.log")
        takes_a_stick(pair.a, tmp_path)
        tries_a_network(pair.a)
        does_it_all_by_keys(pair, tmp_path)


def says_how_its_units_are_shut_in(machine: Machine) -> None:
    for unit, most in _EXPOSURE.items():
        said = machine.run("systemd-analyze", "security", "--no-pager", "--json=short", unit)
        told = [float(one["exposure"] or 0) for one in json.loads(said)]
        print(f"{unit}: {sum(told):.1f}")
        machine.run("systemd-analyze", "security", "--no-pager", f"--threshold={most}", unit)


def answers_the_nodes_user_only(machine: Machine) -> None:
    def asked(user: str) -> str:
        return machine.run(
            *("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"),
            *("python3", "-c", _ASK),
        )

    assert '"type":"result"' in asked("twinpost")
    assert '"type":"result"' in asked("root")
    for user in ("twinpost-console", "nobody"):
        with pytest.raises(Failed, match="PermissionError"):
            asked(user) if user != "nobody" else machine.run(
                *("setpriv", "--reuid=nobody", "--clear-groups", "--", "python3", "-c", _ASK)
            )
    view = json.loads(machine.run("twinpost", "machine", "status", "--json"))
    assert view["appliance"]
    assert view["release"] == "1.0.0"
    assert view["interfaces"][0]["settings"]["addresses"]
    choices = json.loads(machine.run("twinpost", "machine", "choices", "--json"))
    assert {"Europe/Oslo", "UTC"} <= set(choices["time_zones"])
    assert {"no", "de:nodeadkeys"} <= set(choices["keyboards"])
    machine.run("twinpost", "machine", "time-zone", "Europe/Oslo")
    machine.run("twinpost", "machine", "host-name", "node-a")
    view = json.loads(machine.run("twinpost", "machine", "status", "--json"))
    assert (view["clock"]["time_zone"], view["host_name"]) == ("Europe/Oslo", "node-a")
    machine.run("systemctl", "restart", "twinpost-helper.service")
    machine.run("twinpost", "machine", "status")
    with pytest.raises(Failed, match="no such time zone"):
        machine.run("twinpost", "machine", "time-zone", "../../shadow")


def follows_its_peers_clock(pair: Site) -> None:
    """One of the two is the other's measure."""

    def sources(machine: Machine) -> str:
        return machine.run("chronyc", "-c", "-n", "sources", check=False)

    def one_follows() -> bool:
        return any(
            json.loads(one.run("twinpost", "machine", "status", "--json"))["clock"]["source"]
            for one in pair.machines
        )

    until(one_follows)
    for machine, peer in ((pair.a, pair.lab.b), (pair.b, pair.lab.a)):
        assert f",{peer.addresses[0]}," in sources(machine)
        print(machine.run("twinpost", "machine", "status"))


def shows_a_console_that_runs_nothing(machine: Machine, log: Path) -> None:
    with kiosk(machine, log) as (operator, unit):
        operator.sees("Password")
        show = machine.run("systemctl", "show", "--property=MainPID", "--value", unit)
        pid = show.strip()
        status = machine.run("cat", f"/proc/{pid}/status")
        user = machine.run("id", "-u", "twinpost-console").strip()
        assert f"Uid:\t{user}\t{user}\t{user}\t{user}\n" in status
        assert "CapEff:\t0000000000000000\n" in status
        for program in ("/bin/sh", "/usr/bin/systemctl", "/usr/bin/python3.13"):
            inside = ("nsenter", f"--target={pid}", "--mount", program, "--help")
            if "python" in program:
                machine.run(*inside)
            else:
                with pytest.raises(Failed, match="Permission denied"):
                    machine.run(*inside)
    for getty in ("getty@tty1.service", "serial-getty@ttyS0.service", "ctrl-alt-del.target"):
        assert machine.run("systemctl", "is-enabled", getty, check=False).strip() == "masked"
    assert machine.run("passwd", "--status", "root").split()[1] == "L"


def takes_a_stick(machine: Machine, folder: Path) -> None:
    (folder / "empty").mkdir()
    with plugged_in(machine, "BACKUP", folder / "empty"):
        machine.run("twinpost", "report", "export", "--stick", "BACKUP")
        (stick,) = (
            one
            for one in json.loads(machine.run("twinpost", "machine", "sticks", "list", "--json"))[
                "sticks"
            ]
            if one["label"] == "BACKUP"
        )
        mounts = machine.run("cat", "/proc/self/mountinfo")
        options = next(one for one in mounts.splitlines() if stick["folder"] in one).split()[5]
        assert {"nosuid", "nodev", "noexec"} <= set(options.split(","))
        assert machine.run("stat", "-c", "%U %a", stick["store"]).split() == ["twinpost", "700"]
        assert ".html" in machine.run("ls", stick["store"])
        assert "pulled out" in machine.run("twinpost", "machine", "sticks", "unmount", "BACKUP")
        assert stick["folder"] not in machine.run("cat", "/proc/self/mountinfo")


def tries_a_network(machine: Machine) -> None:
    own = f"{machine.host.addresses[0]}/24"

    def addresses() -> str:
        return machine.run("ip", "-4", "address", "show", "dev", "eth0")

    change = ("twinpost", "machine", "network")
    more = "192.0.2.200/24"
    print(machine.run(*change, "set", "eth0", own, more))
    assert own in addresses()
    assert more in addresses()
    machine.run("systemctl", "kill", "--signal=KILL", "twinpost-helper.service")
    machine.run("twinpost", "machine", "status")
    until(lambda: more not in addresses())
    assert own in addresses()
    machine.run(*change, "set", "eth0", own, more)
    machine.run(*change, "confirm")
    assert more in addresses()
    machine.run(*change, "set", "eth0", own, "--trial=0")
    until(lambda: more not in addresses())
