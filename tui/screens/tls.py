"""Certificates: what is served, the site's authority, who else is trusted, what was revoked."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from appliance.control.roles import Role
from appliance.control.schema import TlsForget, TlsImport, TlsRenew
from appliance.mail.figures import counted
from appliance.mail.tls_views import CertificateView, TlsView
from tui.dialogs import Question
from tui.listing import Listing, said
from tui.sticks import Files, to_stick
from tui.text import EMPTY, LINE, foreign, lines
from tui.widgets.table import Column

if TYPE_CHECKING:
    from appliance.control.client import Client

_SOON = 30
"""Days before its end from which on a certificate is marked."""
_FORMS = (("pem", "pem"), ("der", "crt"))
_NO_FILES = "There are no files on this screen. Do it from a terminal: `twinpost tls import`."
_SERVED, _AUTHORITY, _TRUSTED, _REVOKED, _PROBLEM = (
    "served",
    "authority",
    "trusted",
    "revoked",
    "problem",
)


@dataclass(frozen=True)
class Row:
    """A line of the list. `told`: what stands for the subject; `origin`: whose it is."""

    kind: str
    told: str
    certificate: CertificateView | None = None
    origin: str = ""
    since: str = ""
    ends: str = ""


class Certificates(Listing[Row]):
    """TLS of the node that is looked at."""

    ABOUT: ClassVar[str] = """
        The certificate that this node shows to clients, the authority that issued it, authorities
        whose servers are trusted, too, and what the authority has revoked. Clients that trust the
        authority trust both nodes for good: w writes its certificate to a file for them. n has both
        nodes issue themselves new certificates; those before are revoked. c makes a new authority,
        which no client knows yet. i takes a certificate with its key, or an authority to trust,
        from a file. x ends the use of what was imported.
    """
    EMPTY_TEXT: ClassVar[str] = "No certificate yet: no TLS is offered."
    NEEDS: ClassVar = dict.fromkeys(("renew", "authority", "take", "forget"), Role.ADMINISTRATOR)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "export", "Export CA"),
        Binding("n", "renew", "Renew"),
        Binding("i", "take", "Import"),
        Binding("x", "forget", "Forget"),
        Binding("c", "authority", "New authority", show=False),
    ]

    def columns(self) -> Sequence[Column[Row]]:
        return _COLUMNS

    def key(self, row: Row) -> Hashable:
        return (row.kind, row.certificate.fingerprint if row.certificate else row.told)

    def read(self, client: Client) -> Sequence[Row]:
        return list(_rows(client.tls()))

    def counted(self, rows: Sequence[Row]) -> str:
        kinds = [row.kind for row in rows]
        told = [
            counted(kinds.count(_TRUSTED), "other authority trusted", "other authorities trusted"),
            f"{kinds.count(_REVOKED)} revoked",
        ]
        if _PROBLEM in kinds:
            told.append(counted(kinds.count(_PROBLEM), "problem"))
        return ", ".join(told)

    def detail(self, row: Row) -> Content:
        return lines([EMPTY, *_detail(row)])

    def action_export(self) -> None:
        if self.console.kiosk:
            says = "The certificate of the site's authority will be written, for clients to trust."
            to_stick(self, "Export the authority", says, _authority)
            return
        question = Question(
            "Export the authority",
            Content(
                "The certificate of the site's authority is written to a file, for clients to "
                "trust: PEM, or DER if its name ends in .der, .cer or .crt. No key is in it."
            ),
            "Export",
            field="File:",
            value=str(Path.home() / "twinpost-ca.pem"),
            check=_named,
        )
        self.act(question, _export, said)

    def action_renew(self) -> None:
        question = Question(
            "Renew certificates",
            Content(
                "Both nodes issue themselves new certificates with new keys, now. Clients that "
                "trust the authority notice nothing. The certificates of before are revoked."
            ),
            "Renew",
        )
        self.act(question, lambda client, _: client.change_tls(TlsRenew()), said)

    def action_authority(self) -> None:
        question = Question(
            "New authority",
            Content(
                "The site gets a new authority, and both nodes certificates from it. No client "
                "knows it: until you have exported it and brought it to them, those that check "
                "certificates can no longer connect. The old authority is gone for good."
            ),
            "Make it",
            danger=True,
            word="authority",
        )
        self.act(question, lambda client, _: client.change_tls(TlsRenew(authority=True)), said)

    def action_forget(self) -> None:
        row = self.row
        if row is None or not (name := _forgettable(row)):
            self.console.tell(Content("Only what was imported can be forgotten."), "warning")
            return
        happens = (
            "Both nodes go back to certificates of the site's authority."
            if row.kind == _SERVED
            else "Servers with certificates of this authority are no longer trusted: mail for "
            'routes that say tls = "verify" waits if theirs come from it.'
        )
        question = Question(
            "Forget what was imported",
            Content.assemble(foreign(row.told, LINE, "bold"), "\n\n", happens),
            "Forget it",
            danger=True,
        )
        self.act(question, lambda client, _: client.change_tls(TlsForget(name)), said)

    def action_take(self) -> None:
        if self.console.kiosk:
            self.console.tell(Content(_NO_FILES), "warning")
            return
        self.run_worker(self._take(), group="act")

    async def _take(self) -> None:
        first = Question(
            "Import certificates",
            Content(
                "A file in PEM on the machine of this console: certificates, each followed by its "
                "issuer's. With the key of an authority it becomes the site's; with another "
                "key both nodes serve the certificate; without a key its servers are trusted, too."
            ),
            "Go on",
            field="File:",
            check=_readable,
        )
        second = Question(
            "Import certificates",
            Content("The file with the key of the first certificate; empty if there is none."),
            "Import",
            field="File of the key, or nothing:",
            check=lambda typed: _readable(typed) if typed.strip() else "",
        )
        file = await self.ask(first)
        key = await self.ask(second) if file is not None else None
        if file is None or key is None:
            return
        change = TlsImport(_text(file), _text(key) if key.strip() else "")
        await self.do(lambda client: client.change_tls(change), said)


def _rows(view: TlsView) -> Iterator[Row]:
    if view.clock:
        yield Row(_PROBLEM, f"The clock must be wrong: {view.clock}")
    for problem in view.problems:
        yield Row(_PROBLEM, f"Cannot be used: {problem}")
    if view.certificate is not None:
        origin = "imported" if view.imported else "issued by this node for itself"
        yield _row(_SERVED, view.certificate, origin)
    if view.authority is not None:
        origin = "of both nodes" if view.shared else "of this node alone; the pair has none yet"
        yield _row(_AUTHORITY, view.authority, origin)
    for one in view.trusted:
        yield _row(_TRUSTED, one, "imported")
    for gone in view.revoked:
        yield Row(_REVOKED, f"serial number {gone.serial}", since=gone.at, ends=gone.ends)


def _row(kind: str, one: CertificateView, origin: str) -> Row:
    return Row(kind, one.subject, one, origin, one.begins, one.ends)


def _left(row: Row) -> Content:
    if row.certificate is None:
        return EMPTY
    days = row.certificate.days_left
    if days < 0:
        return Content.assemble(("✖ ended", "$error"))
    told = counted(days, "day")
    return Content.assemble((f"▲ {told}", "$warning")) if days < _SOON else Content(told)


def _kind(row: Row) -> Content:
    return Content.assemble(("✖ problem", "$error")) if row.kind == _PROBLEM else Content(row.kind)


def _detail(row: Row) -> Iterator[Content]:
    yield foreign(row.told, LINE, "bold")
    one = row.certificate
    if one is not None:
        if one.issuer != one.subject:
            yield Content.assemble(("issuer       ", "$quiet"), foreign(one.issuer, LINE))
        if one.names:
            yield Content.assemble(("names        ", "$quiet"), foreign(", ".join(one.names), LINE))
        yield Content.assemble(("valid        ", "$quiet"), f"{one.begins} to {one.ends}")
        yield Content.assemble(("fingerprint  ", "$quiet"), one.fingerprint)
        yield Content.assemble(("origin       ", "$quiet"), row.origin)
    elif row.kind == _REVOKED:
        yield Content(f"revoked since {row.since}; on the list until it ends, {row.ends}")


def _forgettable(row: Row) -> str:
    if row.kind == _TRUSTED and row.certificate is not None:
        return row.certificate.fingerprint
    return "certificate" if row.kind == _SERVED and row.origin == "imported" else ""


def _named(typed: str) -> str:
    return "" if typed.strip() else "name a file"


def _readable(typed: str) -> str:
    try:
        _text(typed)
    except OSError as error:
        return error.strerror or "it cannot be read"
    except UnicodeDecodeError:
        return "it is no file in PEM"
    return ""


def _text(typed: str) -> str:
    return Path(typed.strip()).expanduser().read_text(encoding="ascii")


def _authority(client: Client) -> Files:
    """In both forms: what Windows opens, and what all else does."""
    return [(f"twinpost-ca.{end}", client.tls_authority(form)) for form, end in _FORMS]


def _export(client: Client, typed: str) -> str:
    file = Path(typed.strip()).expanduser()
    binary = file.suffix.lower() in (".der", ".cer", ".crt")
    certificates = client.tls_authority("der" if binary else "pem")
    try:
        file.write_bytes(certificates)
    except OSError as error:
        return f"Not written to {file}: {error.strerror or error}"
    return f"The authority's certificate is in {file}"


_COLUMNS: Sequence[Column[Row]] = (
    Column("What", _kind, 10),
    Column("Subject", lambda row: foreign(row.told, LINE), 20, share=1),
    Column("Ends", lambda row: Content(row.ends[:10]), 10),
    Column("Left", _left, 12, right=True),
)
