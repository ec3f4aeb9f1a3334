"""docs/json.md names every field of every value, and no other."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import msgspec
import pytest

import appliance.control
from appliance.cli.errors import Exit
from appliance.ipc import balance, delivery, failover, installer, machine, search
from appliance.mail import tls_views, views
from appliance.monitor import availability, jobs, snapshot
from appliance.report import content

DOCS = Path(__file__).parents[3] / "docs"
SCHEMAS = [
    importlib.import_module(one.name)
    for one in pkgutil.iter_modules(appliance.control.__path__, "appliance.control.")
    if one.name.startswith("appliance.control.schema")
]
_INNER = {views.QueueFilter}
STRUCTS = [
    value
    for module in (*SCHEMAS, availability, content, jobs, snapshot, tls_views, views)
    for value in vars(module).values()
    if isinstance(value, type)
    and issubclass(value, msgspec.Struct)
    and value.__module__ == module.__name__
    and value not in _INNER
] + [
    failover.FailoverView,
    failover.RouterView,
    failover.PathView,
    failover.HeartbeatView,
    failover.ForeignView,
    balance.BalanceView,
    balance.ServerView,
    delivery.DeliveryView,
    delivery.HopView,
    delivery.DestinationView,
    delivery.MemberView,
    machine.MachineView,
    machine.InterfaceState,
    machine.InterfaceSettings,
    machine.ClockState,
    machine.Choices,
    machine.Sticks,
    machine.StickView,
    machine.NetworkTrial,
    installer.Disks,
    installer.DiskView,
    installer.Content,
    installer.Installation,
    installer.StartInstallation,
    search.SearchPage,
    search.Hit,
    search.Piece,
    search.MessagePreview,
    search.Attachment,
    search.SearchView,
]


def documented(name: str) -> set[str]:
    text = (DOCS / "json.md").read_text()
    section = text.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {field for cell in cells for field in re.findall(r"`(\w+)`", cell)}


@pytest.mark.parametrize("struct", dict.fromkeys(STRUCTS), ids=lambda struct: struct.__name__)
def test_every_field_is_documented(struct: type[msgspec.Struct]) -> None:
    assert documented(struct.__name__) == {one.name for one in msgspec.structs.fields(struct)}


def test_every_exit_code_is_documented() -> None:
    table = (DOCS / "exit-codes.md").read_text()
    documented_codes = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert documented_codes == {int(code) for code in Exit}
