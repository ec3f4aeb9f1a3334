"""`twinpost policy`: what the site's policy does to the mail that comes in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import CliError, Exit, node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import counted, show_json

if TYPE_CHECKING:
    from appliance.mail.views import PolicyView, VerificationView


@click.group()
def command() -> None:
    """Restrictions, rates and recipient verification: what they did.

    They are settings of the site, in [policy]: `twinpost config export` and `config import`.
    """


@command.command()
@data_option
@json_option
def status(data: Path, as_json: bool) -> None:
    """Show how much was refused and why, and what the recipient validation cache saved."""
    with node_errors():
        mail = node_client(data).status().mail
    if mail is None:
        hint = "look at `twinpost status`, and at the log of the mail process"
        raise CliError("the mail process does not answer", hint, Exit.UNAVAILABLE)
    if as_json:
        show_json(mail.policy)
    else:
        click.echo("\n".join(_lines(mail.policy)))


def _lines(view: PolicyView) -> Iterator[str]:
    yield "Since the mail process of this node started:"
    width = max(map(len, (*view.refused, "discarded")))
    for reason, count in sorted(view.refused.items(), key=lambda one: -one[1]):
        yield f"  {reason:<{width}}  {counted(count, 'refusal')}"
    if not view.refused:
        yield "  nothing was refused"
    for name, count in (("on hold", view.held), ("discarded", view.discarded)):
        if count:
            yield f"  {name:<{width}}  {counted(count, 'recipient')}"
    if view.tracked:
        yield f"  {'rates':<{width}}  kept of up to {counted(view.tracked, 'client')}"
    yield f"Recipient verification: {verification_text(view.verification)}"


def verification_text(view: VerificationView) -> str:
    """The recipient validation cache in one line."""
    if not view.enabled:
        return "off"
    looked = view.hits + view.misses
    rate = f"{100 * view.hits / looked:.0f} % of {looked} known" if looked else "none asked for yet"
    unanswered = f", {view.unanswered} unanswered" if view.unanswered else ""
    under_way = f", {view.under_way + view.waiting} under way" if view.under_way else ""
    return (
        f"{rate}, {counted(view.cached, 'answer')} kept ({view.cached_refusals} of them no), "
        f"{counted(view.callouts, 'callout')}{unanswered}{under_way}"
    )
