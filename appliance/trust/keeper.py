"""Keeps the server's side of TLS as it should be: an authority, a certificate that is good.

In the mail process, which alone writes keys/tls.json and keys/site-ca.json. Sessions ask for
`context` when they begin; what is open goes on with what it began with.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from appliance.monitor.events import Emit, Event
from appliance.trust import revocation
from appliance.trust.authority import BACKDATED, Authority, new_key
from appliance.trust.certificate import (
    BadCertificate,
    Chain,
    check_pair,
    fingerprint,
    issued_by,
    key_pem,
    lists,
    load_key,
    names,
    pem,
    subject,
)
from appliance.trust.clock import implausible, moment, stepped_back
from appliance.trust.contexts import server_context
from appliance.trust.holdings import AUTHORITY, TABLE, Holdings, Keys, NodeFile, holdings, written
from appliance.trust.names import Names

_WANTED = "an operator wants a new one"
_MOST_FORMER = 10
_FRESH = timedelta(hours=12)
"""So long a context is used: session tickets are encrypted with its keys (RFC 9325 §3.4)."""
_EVERY = timedelta(minutes=1)
"""How often dates are looked at."""
Value = tuple[str, str, bytes]


class Keeper:
    """`context` is None as long as there is no certificate that works.

    `folder` is keys/; `wall` counts milliseconds since 1970; `names` says for which names the
    certificate has to be, now; `organization` is how a new authority is called.
    """

    def __init__(
        self,
        folder: Path,
        names: Callable[[], Names],
        organization: Callable[[], str],
        wall: Callable[[], int],
        emit: Emit,
    ) -> None:
        self.context: ssl.SSLContext | None = None
        self._keys = Keys(folder)
        self._names = names
        self._organization = organization
        self._wall = wall
        self._emit = emit
        self._table: Mapping[str, bytes] = {}
        self._holdings = Holdings()
        self._own: Authority | None = None
        self._file: NodeFile | None = None
        self.served: tuple[str, str] | None = None
        """Certificates and key in PEM, as `context` was made of them."""
        self._made = self._looked = moment(0)
        self._clock_wrong = False

    def heed(self, table: Mapping[str, bytes]) -> None:
        """The registers of the site's TLS are these from now on."""
        self._table = table
        self._holdings = holdings(table)
        for problem in self._holdings.problems:
            self._emit(Event.TLS_FAILED, reason=problem)
        self.refresh()

    def look(self) -> None:
        """What time brings about: to be called about once a second."""
        now = self._now()
        if not timedelta(0) <= now - self._looked < _EVERY:
            self.refresh()

    def refresh(self) -> None:
        """See that there is a good certificate; a failure is told and leaves what there is."""
        self._looked = now = self._now()
        self._judge(now)
        try:
            served = self._certificate(now)
            if served != self.served or not timedelta(0) <= now - self._made < _FRESH:
                self.context = server_context(*served)
                self.served, self._made = served, now
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            self._emit(Event.TLS_FAILED, reason=str(error))

    def _judge(self, now: datetime) -> None:
        """Say it once when the clock becomes one that can't be right."""
        reason = implausible(now)
        if reason and not self._clock_wrong:
            self._emit(Event.CLOCK_IMPLAUSIBLE, reason=reason)
        self._clock_wrong = bool(reason)

    def to_share(self) -> Value | None:
        """The register to write where this node's authority is to be the site's; None: it has one.

        The node that was invited never offers its own.
        """
        if AUTHORITY in self._table or self._own is None:
            return None
        return TABLE, AUTHORITY, written(*self._own.pem())

    def to_revoke(self) -> Sequence[Value]:
        """The registers to write so that what this node has replaced is revoked."""
        file, now = self._file, self._wall()
        if file is None:
            return ()
        former = [Chain.from_pem(one).first for one in file.former]
        return [(TABLE, *revocation.register(one, now)) for one in former]

    def revocations(self) -> bytes:
        """The list of revoked certificates; b"" if the authority may not sign one."""
        now = self._now()
        authority = self._authority(now)
        if not authority.may_revoke:
            return b""
        return revocation.signed(authority, self._holdings.revoked, now)

    @property
    def organization(self) -> str:
        """How the site is called."""
        return self._organization()

    def _certificate(self, now: datetime) -> tuple[str, str]:
        """The certificates and the key to serve with."""
        authority = self._authority(now)
        imported = self._holdings.certificate
        if imported is not None:
            return imported[0].pem(), key_pem(imported[1])
        known = self._keys.node()
        wrong = self._wrong(known, authority, now)
        if known is None or wrong:
            known = self._issue(authority, now, wrong, known)
        self._file = self._without_revoked(known)
        return known.certificates, known.key

    def _authority(self, now: datetime) -> Authority:
        shared = self._holdings.authority
        if shared is not None:
            if self._own is not None or self._keys.own_authority() is not None:
                self._keys.drop_authority()
                self._own = None
            return shared
        if self._own is None:
            self._own = self._keys.own_authority()
        if self._own is None:
            self._own = Authority.create(self._organization(), now)
            self._keys.keep_authority(self._own)
            self._emit(Event.TLS_AUTHORITY_MADE, fingerprint=fingerprint(self._own.chain.first))
        return self._own

    def _wrong(self, known: NodeFile | None, authority: Authority, now: datetime) -> str:
        """Why the node's certificate has to be replaced, "" if it need not."""
        if known is None:
            return "there was none"
        try:
            chain, key = Chain.from_pem(known.certificates), load_key(known.key)
            check_pair(chain, key)
        except BadCertificate as error:
            return str(error)
        if not issued_by(chain.first, authority.chain.first):
            return "the authority is another one"
        if known.renewed != self._holdings.renewed:
            return _WANTED
        wanted = self._names()
        if frozenset(names(chain.first)) != wanted.all:
            return "the node's names are others"
        if lists(chain.first) != (wanted.lists if authority.may_revoke else ()):
            return "the list of revoked certificates is elsewhere"
        return self._outdated(chain, authority, known, now)

    def _outdated(self, chain: Chain, authority: Authority, known: NodeFile, now: datetime) -> str:
        if implausible(now):
            return ""  # whatever it says: what there is, was issued at a better time
        begin, end = chain.first.not_valid_before_utc, chain.first.not_valid_after_utc
        issued = moment(known.issued_at)
        if implausible(issued):
            return "the clock is right again"
        if now < begin + BACKDATED / 2 or stepped_back(now, issued):
            return "the clock was set back"
        if now > issued + (end - issued) * 2 / 3 and end < authority.chain.end:
            return "two thirds of its time are over"
        return ""

    def _without_revoked(self, known: NodeFile) -> NodeFile:
        """What is on the list need not be remembered any longer."""
        left = tuple(
            one
            for one in known.former
            if revocation.name(Chain.from_pem(one).first) not in self._table
        )
        if left != known.former:
            known = msgspec.structs.replace(known, former=left)
            self._keys.keep_node(known)
        return known

    def _issue(
        self, authority: Authority, now: datetime, why: str, known: NodeFile | None
    ) -> NodeFile:
        key, wanted = new_key(), self._names()
        points = wanted.lists if authority.may_revoke else ()
        chain = authority.issue(key, wanted.hosts, wanted.addresses, now, points)
        # Until they are on the list, which takes a register, they are remembered here.
        former = known.former if known is not None else ()
        if known is not None and why == _WANTED:
            former = (*former, pem(Chain.from_pem(known.certificates).first))[-_MOST_FORMER:]
        renewed = self._holdings.renewed
        file = NodeFile(chain.pem(), key_pem(key), self._wall(), renewed, former)
        self._keys.keep_node(file)
        self._emit(
            Event.TLS_CERTIFICATE_ISSUED,
            reason=why,
            issuer=subject(authority.chain.first),
            fingerprint=fingerprint(chain.first),
            until=f"{chain.first.not_valid_after_utc:%Y-%m-%d}",
        )
        return file

    def _now(self) -> datetime:
        return moment(self._wall())
