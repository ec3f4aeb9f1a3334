"""`twinpost tls`: certificates of the nodes, the site's authority, who else is trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from appliance.cli.errors import CliError, Exit, node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import safe, show_json

if TYPE_CHECKING:
    from appliance.control.schema import TlsForget, TlsImport, TlsRenew
    from appliance.mail.tls_views import CertificateView, TlsView

Function = TypeVar("Function", bound=Callable[..., Any])


@click.group()
def command() -> None:
    """Certificates: show, import, export, renew.

    The site has an authority of its own, made at the first start, and each node issues itself a
    certificate. Clients that trust the authority (`export-ca`) trust both nodes, for good.
    """


def _change_options(function: Function) -> Function:
    function = click.option(
        "--while-alone", is_flag=True, help="Also if the other node would not have it now."
    )(function)
    return data_option(function)


@command.command()
@data_option
@json_option
def show(data: Path, as_json: bool) -> None:
    """Show certificate, authority, who else is trusted, and what was revoked."""
    with node_errors():
        view = node_client(data).tls()
    if as_json:
        show_json(view)
    else:
        click.echo("\n".join(lines(view)))


@command.command("export-ca")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@click.option(
    "--format", "form", type=click.Choice(["pem", "der"]), default="pem", show_default=True
)
@data_option
def export_ca(to: Path | None, form: str, data: Path) -> None:
    """Write the authority's certificate, for clients to trust; no key is in it."""
    with node_errors():
        certificates = node_client(data).tls_authority(form)
    if to is None:
        click.echo(certificates, nl=False)
        return
    try:
        to.write_bytes(certificates)
    except OSError as error:
        raise CliError(
            f"{to}: {error.strerror}", "choose another file", Exit.CANNOT_WRITE
        ) from None


@command.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--key", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Its key (PEM)."
)
@_change_options
def import_(file: Path, key: Path | None, data: Path, while_alone: bool) -> None:
    """Use the certificates in FILE (PEM, each followed by its issuer's) on both nodes.

    With the key of an authority: it is the site's from now on, and issues what the nodes need.
    With another key: both nodes serve that certificate. Without a key: an authority whose servers
    are trusted, too, where a route says tls = "verify".
    """
    from appliance.control.schema import TlsImport

    _change(data, TlsImport(_text(file), _text(key) if key else "", while_alone))


@command.command()
@click.argument("name")
@_change_options
def forget(name: str, data: Path, while_alone: bool) -> None:
    """Use no more what was imported: "certificate", or the fingerprint of an authority."""
    from appliance.control.schema import TlsForget

    _change(data, TlsForget(name, while_alone))


@command.command()
@click.option(
    "--authority", is_flag=True, help="Make a new authority, too: no client knows it yet."
)
@_change_options
def renew(authority: bool, data: Path, while_alone: bool) -> None:
    """Have both nodes issue themselves new certificates and keys, now."""
    from appliance.control.schema import TlsRenew

    _change(data, TlsRenew(authority, while_alone))


def _change(data: Path, change: TlsImport | TlsForget | TlsRenew) -> None:
    client = node_client(data)
    with node_errors():
        said = client.change_tls(change)
    click.echo(safe(said))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{file}: {error}", "name a file in PEM", Exit.NO_INPUT) from None


def lines(view: TlsView) -> Iterator[str]:
    """What `show` prints."""
    if view.certificate is None:
        yield "No certificate yet: no TLS is offered."
    else:
        yield "Certificate" + (" (imported)" if view.imported else "")
        yield from _certificate(view.certificate)
        if not (view.imported or view.certificate.lists):
            yield "  revocation   none: clients can't learn that it was revoked"
            yield "  → set account.http in node.toml on both nodes, and restart them"
    if view.authority is not None:
        yield "Authority" + ("" if view.shared else " (of this node; the pair has none yet)")
        yield from _certificate(view.authority)
    for one in view.trusted:
        yield "Trusted, too"
        yield from _certificate(one)
    for revoked in view.revoked:
        yield f"Revoked  {revoked.serial}, since {revoked.at}, on the list until {revoked.ends}"
    if view.clock:
        yield f"The clock must be wrong: {view.clock}"
    for problem in view.problems:
        yield f"Cannot be used: {safe(problem)}"


def _certificate(one: CertificateView) -> Iterator[str]:
    yield f"  subject      {safe(one.subject)}"
    if one.issuer != one.subject:
        yield f"  issuer       {safe(one.issuer)}"
    if one.names:
        yield f"  names        {safe(', '.join(one.names), 2000)}"
    yield f"  valid        {one.begins} to {one.ends}, {one.days_left} days left"
    yield f"  fingerprint  {one.fingerprint}"
    if one.lists:
        yield f"  revocation   {safe(', '.join(one.lists), 2000)}"
