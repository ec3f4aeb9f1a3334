"""Seeing that an interface loses its carrier, and that another machine has a held address."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

from appliance.vip.binder import Address, BinderFailed, Sightings, VirtualAddress
from appliance.vip.claims import Ear, arp_ear, neighbor_ear
from appliance.vip.interface import hardware_address, has_carrier, interface_index
from appliance.vip.notices import Notices, Subject


class InterfaceWatch:
    """A `Watch` of the interfaces of `addresses`, which `binder.NetlinkBinder` holds.

    `held` says what is held now. That another machine has one of those is heard from its
    broadcasts, and from its answers to the probes that go with every announcement (`announce`):
    nothing waits for an answer before an address is taken.
    """

    def __init__(
        self,
        addresses: Iterable[VirtualAddress],
        held: Callable[[], Collection[VirtualAddress]],
        sightings: Sightings,
    ) -> None:
        self._ears_for: dict[str, set[Callable[..., Ear]]] = {}
        for one in addresses:
            ear = arp_ear if one.address.version == 4 else neighbor_ear
            self._ears_for.setdefault(one.interface, set()).add(ear)
        self._held = held
        self._sightings = sightings
        self._up: dict[str, bool] = {}
        self._ears: dict[str, tuple[int, list[Ear]]] = {}
        self._notices: Notices | None = None

    async def start(self) -> None:
        for interface in self._ears_for:
            interface_index(interface)
            try:
                self._listen(interface)
            except OSError as error:
                raise BinderFailed(
                    f"cannot listen at {interface}: {error.strerror}",
                    "it takes CAP_NET_RAW: run as root, or with this capability",
                ) from None
        self._notices = Notices(Subject.LINKS, self._look)
        self._look()

    def close(self) -> None:
        if self._notices is not None:
            self._notices.close()
        for interface in self._ears_for:
            self._deafen(interface)

    def _look(self) -> None:
        for interface in self._ears_for:
            with suppress(OSError, BinderFailed):  # it is gone, and will be told of again
                self._listen(interface)
            up = has_carrier(interface)
            if self._up.get(interface) is not up:
                self._up[interface] = up
                self._sightings.carrier(interface, up)

    def _listen(self, interface: str) -> None:
        """Listen at the interface that has the name now; raises OSError, BinderFailed."""
        index = interface_index(interface)
        if interface in self._ears:
            if self._ears[interface][0] == index:
                return
            self._deafen(interface)
        ears: list[Ear] = []
        self._ears[interface] = (index, ears)
        try:
            for ear in self._ears_for[interface]:
                ears.append(ear(interface, self._heard_at(interface)))
        except OSError:
            self._deafen(interface)
            raise

    def _deafen(self, interface: str) -> None:
        _, ears = self._ears.pop(interface, (0, []))
        for ear in ears:
            ear.close()

    def _heard_at(self, interface: str) -> Callable[[Address, bytes], None]:
        def heard(address: Address, hardware: bytes) -> None:
            if not any(
                one.address == address and one.interface == interface for one in self._held()
            ):
                return
            with suppress(OSError):
                if hardware != hardware_address(interface):
                    self._sightings.foreign(address, hardware.hex(":"))

        return heard
