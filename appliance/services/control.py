"""The control process: the API's listeners, wired to the spool and the mail process."""

from __future__ import annotations

from importlib.metadata import version

from appliance.config import NodeSettings
from appliance.control.listen import serving
from appliance.control.mail_process import MailProcess
from appliance.control.observer import Identity, Observer
from appliance.control.server import Api, Public
from appliance.link.identity import KeyStore
from appliance.services.clock import monotonic
from appliance.services.node import PROCESSES
from appliance.services.process import Context
from appliance.spool.reader import Reader


async def serve(context: Context) -> None:
    """Run until told to stop; raises OSError if an address cannot be listened on."""
    layout, node = context.layout, context.node
    keys = KeyStore(layout.keys).identity()
    mail = MailProcess(layout.mail_socket)
    reader = Reader(layout.spool, str(node.name), lambda: mail.last, monotonic)
    identity = Identity(
        str(node.name),
        str(node.hostname),
        version("twinpost"),
        tuple(map(str, node.virtual)),
        keys.peer is not None,
    )
    observer = Observer(
        identity,
        layout.spool,
        layout.run / PROCESSES,
        reader,
        mail,
        lambda address: _listens(node, address),
    )
    trusted = [network.network for network in node.http.status]
    try:
        async with serving(
            Api(observer).application(),
            layout.control_socket,
            Public(observer, trusted).application(),
            node.http.listen,
        ):
            context.ready()
            await context.stop.wait()
    finally:
        mail.close()
        observer.close()
        reader.close()


def _listens(node: NodeSettings, address: str) -> bool:
    return any(endpoint.host == address for endpoint in node.smtp.listen)
