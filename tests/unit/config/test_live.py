"""Whoever watches the site is told what changed, and of nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from appliance.config.live import Site
from appliance.config.site import SiteSettings
from appliance.config.units import Hostname, LocalName

SETTINGS = SiteSettings(domains=(Hostname("site.test"),))
OTHER = msgspec.structs.replace(SETTINGS, postmaster=LocalName("alice"))


class Spool:
    def __init__(self) -> None:
        self.tables: dict[str, dict[str, bytes]] = {"one": {"k": b"v"}, "two": {}}
        self.reads = 0
        self.site = Site(SETTINGS, self.read)

    def read(self, name: str) -> Mapping[str, bytes]:
        self.reads += 1
        return dict(self.tables[name])


def test_settings() -> None:
    site, told = Spool().site, list[SiteSettings]()
    site.watch(told.append)
    site.changed(SETTINGS)
    site.changed(OTHER)
    assert told == [OTHER]
    assert site.current == OTHER


def test_a_table_is_read_once_until_it_changes() -> None:
    spool = Spool()
    assert spool.site.registers("one") == spool.site.registers("one") == {"k": b"v"}
    assert spool.reads == 1
    spool.tables["one"]["k"] = b"w"
    spool.site.registers_changed(["two"])
    assert spool.site.registers("one") == {"k": b"v"}
    spool.site.registers_changed(["one"])
    assert spool.site.registers("one") == {"k": b"w"}


def test_registers_are_watched_by_table() -> None:
    spool, told = Spool(), list[Mapping[str, bytes]]()
    spool.site.watch_registers("two", told.append)
    spool.tables["two"]["key"] = b"value"
    spool.site.registers_changed(["one"])
    assert not told
    spool.site.registers_changed(["two"])
    assert told == [{"key": b"value"}]


def test_whoever_may_have_missed_something_is_told_everything() -> None:
    spool, told = Spool(), list[Mapping[str, bytes]]()
    spool.site.watch_registers("two", told.append)
    spool.site.registers("two")
    spool.site.registers_changed()
    assert told == [{}]
