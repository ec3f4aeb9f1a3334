"""What is installed and what lies on sticks, as the control API tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.control.http import BadRequest
from appliance.services.updates import InstalledReleases
from bundle import files, keys
from bundle.build import Signer
from bundle.install import Prefix
from bundle.ledger import Ledger, Phase, State
from tests.unit.bundle.parts import TARGET, bundle_of, private_key

NOTES = b"# Changes\n\n## 1.2.4\n- It is better.\n"


class Machine:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefix = Prefix(folder / "opt")
        self.prefix.path.mkdir()
        self.prefix.releases.mkdir()
        self.stick = folder / "media" / "sdb1"
        self.stick.mkdir(parents=True)
        files.replace(self.prefix.trusted, keys.public(private_key(folder)).pem.encode())
        self.use("1.2.3")
        self.installed = InstalledReleases(self.prefix.path, folder / "media")

    def use(self, version: str) -> None:
        release = self.prefix.releases / version
        release.mkdir(exist_ok=True)
        (release / "complete").write_text("x")
        files.point(self.prefix.current, f"releases/{version}")

    def burn(self, version: str, key: str = "key") -> Path:
        signer = Signer(private_key(self.folder, key))
        made = bundle_of(self.folder, {"CHANGELOG.md": NOTES, "LICENSE": b"x"}, signer, version)
        return made.rename(self.stick / f"{key}-{version}.bundle")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr("bundle.install.target", lambda: TARGET)
    return Machine(tmp_path)


def test_bundles_on_sticks_with_their_verdict(machine: Machine) -> None:
    machine.burn("1.2.4")
    machine.burn("1.2.2")
    machine.burn("1.2.5", "foreign")
    (machine.stick / "x.bundle").write_bytes(b"no bundle")
    (machine.stick / "link.bundle").symlink_to("/etc/passwd")
    found = {one.name: one for one in machine.installed.bundles()}
    assert set(found) == {
        "key-1.2.4.bundle",
        "key-1.2.2.bundle",
        "foreign-1.2.5.bundle",
        "x.bundle",
    }
    good = found.pop("key-1.2.4.bundle")
    assert (good.release, good.problem, good.folder) == ("1.2.4", "", str(machine.stick))
    assert "It is better" in good.notes
    assert all(one.problem and not one.release for one in found.values())
    assert "older than 1.2.3" in found["key-1.2.2.bundle"].problem


def test_a_bundle_that_changed_is_read_again(machine: Machine) -> None:
    path = machine.burn("1.2.4")
    assert machine.installed.bundles()[0].problem == ""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert machine.installed.bundles()[0].problem
    with pytest.raises(BadRequest):
        machine.installed.release_of(path)


def test_the_release_to_go_back_to_is_one_that_is_here(machine: Machine) -> None:
    assert machine.installed.update() is None
    assert machine.installed.before() == ""
    ledger = Ledger(machine.prefix.path / "update")
    ledger.write(State(Phase.DONE, "1.2.3", "1.2.4", text="fine"))
    machine.use("1.2.4")
    assert machine.installed.before() == "1.2.3"
    ledger.write(State(Phase.DONE, "1.2.1", "1.2.4"))
    assert machine.installed.before() == ""
    ledger.write(State(Phase.BACK, "1.2.3", "1.2.4", error="sick"))
    view = machine.installed.update()
    assert view is not None
    assert (view.phase, view.over, view.error) == ("back", True, "sick")
    assert machine.installed.before() == ""
