"""What an installation that keeps mail takes over: the machine answers where it did before."""

from __future__ import annotations

from pathlib import Path

from appliance.machine.carried import put, taken

NETWORK = "etc/systemd/network/10-twinpost-eth0.network"


def system(root: Path) -> Path:
    """As it lies on a disk, with what is ours and what is not."""
    for name, text in (
        ("etc/hostname", "a\n"),
        (NETWORK, "[Match]\nName=eth0\n"),
        ("etc/systemd/network/99-foreign.network", "[Match]\nName=*\n"),
        ("etc/shadow", "root:*:\n"),
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "etc/localtime").symlink_to("/usr/share/zoneinfo/Europe/Oslo")
    return root


def test_names_addresses_and_zone_come_over_and_nothing_else(tmp_path: Path) -> None:
    before, after = system(tmp_path / "before"), tmp_path / "after"
    (after / "etc").mkdir(parents=True)
    (after / "etc/hostname").write_text("twinpost\n")
    put(after, taken(before))
    assert (after / "etc/hostname").read_text() == "a\n"
    assert (after / NETWORK).read_text() == "[Match]\nName=eth0\n"
    assert (after / "etc/localtime").readlink() == Path("/usr/share/zoneinfo/Europe/Oslo")
    assert not (after / "etc/shadow").exists()
    assert not (after / "etc/systemd/network/99-foreign.network").exists()


def test_a_link_out_of_the_old_system_is_not_followed(tmp_path: Path) -> None:
    """A disk is foreign until it has been installed anew: what lies there may be hostile."""
    before, secret = system(tmp_path / "before"), tmp_path / "secret"
    secret.write_text("key")
    (before / NETWORK).unlink()
    (before / NETWORK).symlink_to(secret)
    found = {one.name: one for one in taken(before)}
    assert found[NETWORK].content == b""


def test_a_system_of_which_nothing_is_left_gives_nothing(tmp_path: Path) -> None:
    assert taken(tmp_path) == []
