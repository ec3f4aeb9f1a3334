"""`twinpost machine`: what is under the node: clock, names, network, sticks, power."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import CliError, Exit, node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import bytes_text, columns, safe, show_json
from appliance.cli.sticks import stick_named

if TYPE_CHECKING:
    from appliance.control.client import Client
    from appliance.ipc.machine import InterfaceState, MachineView

_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%SZ")


@click.group()
def command() -> None:
    """The machine under the node: clock, names, network, sticks, power.

    Only a node of an installed Twinpost manages its machine; network, name and keyboard only where
    all of the machine is Twinpost's.
    """


@command.command()
@data_option
@json_option
def status(data: Path, as_json: bool) -> None:
    """Show names, addresses, clock, releases."""
    with node_errors():
        view = node_client(data).machine()
    if as_json:
        show_json(view)
    else:
        click.echo("\n".join(_lines(view)))


@command.command()
@data_option
@json_option
def choices(data: Path, as_json: bool) -> None:
    """List the time zones and keyboards that there are."""
    with node_errors():
        found = node_client(data).machine_choices()
    if as_json:
        show_json(found)
    else:
        click.echo(
            "\n".join(["Time zones:", *found.time_zones, "", "Keyboards:", *found.keyboards])
        )


@command.command()
@data_option
@click.argument("time", metavar="'YYYY-MM-DD HH:MM:SS'")
def clock(data: Path, time: str) -> None:
    """Set the clock, in UTC, on both nodes if the other one can be reached."""
    from appliance.control.client import ApiError, NotRunning

    now = _milliseconds(time)
    with node_errors():
        click.echo(safe(node_client(data).set_clock(now)))
        try:
            click.echo(f"the other node: {safe(_other(data).set_clock(now))}")
        except (ApiError, NotRunning) as error:
            click.echo(f"! the other node's is as it was: {safe(str(error))}")


@command.command("time-zone")
@data_option
@click.argument("name")
def time_zone(data: Path, name: str) -> None:
    """Set the time zone: Europe/Oslo."""
    with node_errors():
        click.echo(safe(node_client(data).set_time_zone(name)))


@command.command()
@data_option
@click.argument("name")
def keyboard(data: Path, name: str) -> None:
    """Set the keyboard of the machine's console: no, de:nodeadkeys."""
    with node_errors():
        click.echo(safe(node_client(data).set_keyboard(name)))


@command.command("host-name")
@data_option
@click.argument("name")
def host_name(data: Path, name: str) -> None:
    """Name the machine."""
    with node_errors():
        click.echo(safe(node_client(data).set_host_name(name)))


@command.group()
def network() -> None:
    """Addresses of the machine's interfaces: changed on trial, kept once confirmed."""


@network.command("set")
@data_option
@json_option
@click.option("--gateway", default="", help="The way to other networks, if there are any.")
@click.option("--trial", default=120, show_default=True, metavar="SECONDS", help="0: for good.")
@click.argument("interface")
@click.argument("addresses", nargs=-1)
def set_(
    data: Path, as_json: bool, gateway: str, trial: int, interface: str, addresses: tuple[str, ...]
) -> None:
    """Give INTERFACE the ADDRESSES (192.0.2.11/24), and no others but the virtual ones.

    Unless `network confirm` follows in time, all is as it was before. node.toml has to say the
    same addresses.
    """
    from appliance.ipc.machine import InterfaceSettings

    wanted = InterfaceSettings(name=interface, addresses=addresses, gateway=gateway)
    with node_errors():
        done = node_client(data).set_network([wanted], trial)
    if as_json:
        show_json(done)
        return
    click.echo("\n".join(["Before:", *_interfaces(done.before), "Now:", *_interfaces(done.after)]))
    if done.trial:
        click.echo(f"  → within {done.trial} s: twinpost machine network confirm")


@network.command()
@data_option
def confirm(data: Path) -> None:
    """Keep what `network set` did."""
    with node_errors():
        click.echo(safe(node_client(data).confirm_network()))


@network.command()
@data_option
def revert(data: Path) -> None:
    """Take back what `network set` did, now."""
    with node_errors():
        click.echo(safe(node_client(data).revert_network()))


@command.group()
def sticks() -> None:
    """Sticks: mount one for backups, reports and bundles; let it go."""


@sticks.command("list")
@data_option
@json_option
def list_(data: Path, as_json: bool) -> None:
    """List what is plugged in."""
    with node_errors():
        found = node_client(data).sticks()
    if as_json:
        show_json({"sticks": found})
        return
    rows = [
        (
            safe(one.id),
            safe(one.label),
            safe(one.file_system),
            bytes_text(one.size),
            "" if one.free is None else bytes_text(one.free),
            safe(one.problem) or safe(one.store or one.folder) or "not mounted",
        )
        for one in found
    ]
    heads = ("STICK", "LABEL", "FILES", "SIZE", "FREE", "FOLDER")
    click.echo(columns(rows, heads) if rows else "No stick is plugged in.")


@sticks.command()
@data_option
@json_option
@click.argument("name")
def mount(data: Path, as_json: bool, name: str) -> None:
    """Mount a stick, named by its id or label."""
    client = node_client(data)
    with node_errors():
        done = client.mount_stick(stick_named(client, name).id)
    if as_json:
        show_json(done)
    else:
        click.echo(f"{safe(done.store or done.folder)}: {bytes_text(done.free or 0)} free")


@sticks.command()
@data_option
@click.argument("name")
def unmount(data: Path, name: str) -> None:
    """Write out what is to be written, and let a stick go."""
    client = node_client(data, None)
    with node_errors():
        click.echo(safe(client.unmount_stick(stick_named(client, name).id)))


@command.command("restart-node")
@data_option
def restart_node(data: Path) -> None:
    """Stop the node in order and start it again."""
    with node_errors():
        click.echo(safe(node_client(data).restart_node()))


@command.command()
@data_option
@click.option("--yes", is_flag=True, help="Don't ask.")
def reboot(data: Path, yes: bool) -> None:
    """Start the machine anew."""
    if not yes:
        click.confirm("The node stops, and its addresses move. Restart?", abort=True, err=True)
    with node_errors():
        click.echo(safe(node_client(data).reboot()))


@command.command("power-off")
@data_option
@click.option("--yes", is_flag=True, help="Don't ask.")
def power_off(data: Path, yes: bool) -> None:
    """Switch the machine off; somebody has to switch it on again."""
    if not yes:
        click.confirm("The machine stays off. Switch it off?", abort=True, err=True)
    with node_errors():
        click.echo(safe(node_client(data).power_off()))


def _other(data: Path) -> Client:
    from appliance.config import open_layout
    from appliance.control.client import Client

    layout, _ = open_layout(data)
    return Client(layout.control_socket, other=True)


def _milliseconds(text: str) -> int:
    for form in _FORMS:
        try:
            return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()) * 1000
        except ValueError:
            continue
    raise CliError(f"{text!r} is no time", "for example '2026-12-01 14:30:00', in UTC", Exit.USAGE)


def _lines(view: MachineView) -> Iterator[str]:
    clock = view.clock
    what = "live, from a stick" if view.live else "appliance" if view.appliance else "Debian"
    yield f"{safe(view.host_name)} ({what}), Twinpost {safe(view.release) or 'not installed'}"
    if others := [one for one in view.releases if one != view.release]:
        yield f"  installed, too  {safe(', '.join(others))}"
    yield f"  clock           {datetime.fromtimestamp(clock.now / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    yield f"  time zone       {safe(clock.time_zone) or 'not set'}"
    if clock.source:
        ahead = "" if clock.offset is None else f", {clock.offset * 1000:+.3f} ms"
        yield f"  follows         {safe(clock.source)}{ahead}"
    else:
        yield "  follows         nobody"
    yield f"  keyboard        {safe(view.keyboard) or 'not set'}"
    yield f"  gateway         {safe(view.gateway) or 'none'}"
    yield from _interfaces(view.interfaces)
    if view.trial is not None:
        yield f"! A change of the network is on trial for {view.trial} s more."
        yield "  → twinpost machine network confirm, or revert"


def _interfaces(interfaces: Sequence[InterfaceState]) -> Iterator[str]:
    for one in interfaces:
        cable = "" if one.carrier else ", no carrier"
        yield f"  {safe(one.name):<15} {safe(', '.join(one.addresses)) or 'no address'}{cable}"
