"""Users in the mail process: who may log in, with what the pair knows of them."""

from __future__ import annotations

import hmac

from appliance.identity.authenticator import Authenticator
from appliance.identity.hasher import Hasher
from appliance.identity.people import People
from appliance.identity.throttle import Throttle
from appliance.link.identity import Identity
from appliance.services.clock import monotonic
from appliance.services.process import Context

_PURPOSE = b"twinpost scram 1"


def authenticator(context: Context, identity: Identity, hasher: Hasher) -> Authenticator:
    """Logs users in on this node."""
    return Authenticator(
        People(context.site), Throttle(), hasher, monotonic, _secret(identity), context.emit
    )


def _secret(identity: Identity) -> bytes:
    """What decoys are made of: on both nodes the same, or they would give themselves away."""
    if identity.pairing is not None:
        return identity.pairing.authority.secret(_PURPOSE)
    return hmac.digest(identity.key.pem().encode(), _PURPOSE, "sha256")
