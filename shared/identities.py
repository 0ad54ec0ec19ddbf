"""Who calls: the names of realms and roles, and the callers that a procedure can have.

The wire says *swarm* where we say project; a device's authid is `<project_key>-<device_key>`, a person's their decimal
account key, a service's `svc_<name>` (wire-agent section 1, architecture "Identities, realms and roles").
"""

import re
from typing import Final

from attrs import frozen

from shared.scopes import EVERYTHING, Scopes

CONTROL_REALM: Final = "realm1"
SYSTEM_REALM: Final = "ironflock.system"
DEVICE_ROLE: Final = "device"
USER_ROLE: Final = "user"
SERVICE_ROLE_PREFIX: Final = "svc_"
ROUTER_ROLE: Final = "trusted"
MAX_KEY: Final = 2**53 - 1
_DEVICE_AUTHID: Final = re.compile(r"([1-9][0-9]{0,15})-([1-9][0-9]{0,15})", re.ASCII)
_ACCOUNT_AUTHID: Final = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)


@frozen
class Credential:
    """By what a person is there: the id of an API key or of a session, and how far it reaches."""

    name: str | None
    scopes: Scopes


@frozen
class Person:
    """A person, on the bus by themselves or through a service that proved their wish.

    Inside a procedure `scopes` are those that let it be done.
    """

    account_key: int
    session: int
    credential: str | None = None
    scopes: Scopes = EVERYTHING


@frozen
class DeviceIdentity:
    """A device by its session: what a payload says about the device's identity is only compared with this."""

    project_key: int
    device_key: int
    session: int


@frozen
class ServiceIdentity:
    """A service, `name` without the prefix of its role; the router's own component is called `router`."""

    name: str
    session: int


Caller = Person | DeviceIdentity | ServiceIdentity


def device_authid(project_key: int, device_key: int) -> str:
    """The authid under which a published agent joins."""
    return f"{project_key}-{device_key}"


def parse_device_authid(authid: str) -> tuple[int, int] | None:
    """`(project_key, device_key)`, or None where `authid` is not a device's."""
    matched = _DEVICE_AUTHID.fullmatch(authid)
    if matched is None or max(int(matched[1]), int(matched[2])) > MAX_KEY:
        return None
    return int(matched[1]), int(matched[2])


def parse_account_authid(authid: str) -> int | None:
    """The account key, or None where `authid` is not a person's."""
    if _ACCOUNT_AUTHID.fullmatch(authid) is None or int(authid) > MAX_KEY:
        return None
    return int(authid)


def service_role(name: str) -> str:
    """The authid and the authrole of a service, for example `svc_auth`."""
    return SERVICE_ROLE_PREFIX + name
