"""Users, aliases and operators as the console could get them."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.control.roles import Role
from appliance.control.schema import Aliases, AliasView, Users, UserView
from appliance.control.schema_people import OperatorList, OperatorView

WHEN = 1_790_000_000_000


def user(name: str, *, disabled: bool = False, password: int | None = WHEN) -> UserView:
    """A user with two addresses."""
    return UserView(
        name=name,
        mailbox=name,
        addresses=(f"{name}@ship.test", f"{name}@line.test"),
        may_send_as=("bridge@ship.test",) if name == "anna" else (),
        disabled=disabled,
        password_set_at=password,
    )


def operator(name: str, role: Role, *, disabled: bool = False) -> OperatorView:
    """An operator with a password."""
    return OperatorView(name=name, role=role, disabled=disabled, password_set_at=WHEN, sessions=1)


FOLK: Mapping[str, object] = {
    "/users": Users((user("anna"), user("bert", disabled=True), user("j\x1b[1mo", password=None))),
    "/aliases": Aliases((AliasView("office@ship.test", ("anna", "bert", "post@port.test")),)),
    "/operators": OperatorList(
        (
            operator("anna", Role.ADMINISTRATOR),
            operator("bert", Role.OPERATOR),
            operator("carla", Role.VIEWER, disabled=True),
        )
    ),
}
