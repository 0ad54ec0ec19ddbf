"""Who joins which data realm, and as what. Pure. Source: wire-sdk section 3 (`f_authenticate_userapp`)."""

import base64
import hmac
import re
from collections.abc import Collection
from typing import Final
from uuid import UUID

from services.auth.records.app_credentials import (
    AppPrincipal,
    DataRealm,
    DeviceApp,
    Epoch,
    Facts,
    KnownDevice,
    LegacyPrincipal,
    Provider,
    Reason,
    Role,
    Stage,
    Standing,
    Wish,
)
from shared.identities import MAX_KEY

OVERLAP_S: Final = 15 * 60.0
FIRST_EPOCH: Final = 1
NO_STANDING: Final = Standing(provider=None, grants=[], legacy_mode="strict")
EVERY_PROVIDER: Final = "*"
PLATFORM: Final = "PLATFORM"
ROLES: Final[dict[Reason, Role]] = {Reason.APP: "app", Reason.APP_READER: "app_reader"}
WITH_SECRET: Final = frozenset({*ROLES, Reason.NOT_INSTALLED, Reason.NOT_INSTALLED_REALM_STAGE, Reason.UNSETTLED})
"""For which an app's proof is looked at: whoever proves to be who it says may be told that it is not installed, or that
nobody can say now."""
_STAGES: Final[dict[str, Stage]] = {"dev": "DEV", "prod": "PROD"}
# Keys in a realm's name have one spelling, so that no two names mean one realm; those in an authid are numbers.
_REALM: Final = re.compile(r"realm-([1-9][0-9]{0,15})-([1-9][0-9]{0,15})-(dev|prod)", re.ASCII)
_APP: Final = re.compile(r"app-([0-9]+)-(dev|prod)-e([0-9]+)@(.*)", re.ASCII | re.DOTALL)


def wish_of(realm: str, authid: str) -> Wish | Reason:
    """What the two names of a HELLO mean, or why nothing."""
    if not realm or not authid:
        return Reason.MISSING_ARGS
    wanted = parse_realm(realm)
    return Reason.BAD_REALM if wanted is None else Wish(wanted, parse_principal(authid))


def parse_realm(name: str) -> DataRealm | None:
    """The data realm of that name, None where it is another realm's or nobody's."""
    matched = _REALM.fullmatch(name)
    if matched is None or max(int(matched[1]), int(matched[2])) > MAX_KEY:
        return None
    return DataRealm(int(matched[1]), int(matched[2]), _STAGES[matched[3]])


def parse_principal(authid: str) -> AppPrincipal | LegacyPrincipal:
    """Who says that it is `authid`; whatever is no credential's name is a serial number, as older SDKs give it."""
    matched = _APP.fullmatch(authid)
    if matched is None:
        return LegacyPrincipal(authid)
    return AppPrincipal(int(matched[1]), _STAGES[matched[2]], int(matched[3]), matched[4])


def serial_of(wish: Wish) -> UUID | None:
    """The serial number in the one spelling that counts; None where it is none, which no device has."""
    text = wish.principal.serial_number
    try:
        serial = UUID(text)
    except ValueError:
        return None
    return serial if str(serial) == text else None


def is_there(wish: Wish, device: KnownDevice | None) -> bool:
    """Whether the device is one of the realm's project: nothing else is said of any other."""
    return device is not None and device.project_key == wish.realm.project_key


def needs_standing(wish: Wish, device: KnownDevice) -> bool:
    """Whether it must be asked how whoever wants to join stands towards the realm: not for one's own app's realms."""
    principal = wish.principal
    if isinstance(principal, LegacyPrincipal):
        return True
    is_installed = DeviceApp(principal.app_key, principal.stage) in device.apps
    return is_installed and principal.app_key != wish.realm.app_key


def decide(wish: Wish, facts: Facts) -> Reason:
    """What becomes of the join, in the order of checks of the source."""
    device = facts.device
    if device is None or not is_there(wish, device):
        return Reason.UNKNOWN_DEVICE
    if isinstance(wish.principal, LegacyPrincipal):
        return _decide_legacy(wish.realm, device, facts)
    return _decide_app(wish.realm, wish.principal, device, facts)


def counts(epoch: int, stored: Epoch) -> bool:
    """Whether a credential of that epoch counts: the current one, and for some minutes the one before it."""
    is_last = epoch == stored.current - 1 and stored.rotated_s_ago is not None and stored.rotated_s_ago < OVERLAP_S
    return epoch == stored.current or is_last


def app_authid(app_key: int, stage: Stage, epoch: int, serial_number: UUID) -> str:
    """The authid of an app's credential, as the published agent spells it."""
    return f"app-{app_key}-{stage.lower()}-e{epoch}@{serial_number}"


def app_secret(app_cred_key: str, principal: AppPrincipal) -> str:
    """The secret of an app's credential. Source: wire-sdk section 3.

    Args:
        app_cred_key: As it is stored; its UTF-8 octets are the key, not what they might decode to.
    """
    message = f"ironflock/app-cred/v1|{principal.serial_number}|{principal.app_key}|{principal.stage}|{principal.epoch}"
    return base64.b64encode(hmac.digest(app_cred_key.encode(), message.encode(), "sha256")).decode()


def _decide_app(realm: DataRealm, principal: AppPrincipal, device: KnownDevice, facts: Facts) -> Reason:
    if not counts(principal.epoch, facts.epoch):
        return Reason.STALE_EPOCH
    if not device.has_key:
        return Reason.NO_APP_CRED_KEY
    if DeviceApp(principal.app_key, principal.stage) not in device.apps:
        return Reason.NOT_INSTALLED
    if principal.app_key == realm.app_key:
        is_here = DeviceApp(realm.app_key, realm.stage) in device.apps
        return Reason.APP if is_here else Reason.NOT_INSTALLED_REALM_STAGE
    if facts.standing is None or facts.standing.provider is None:
        return Reason.UNSETTLED if facts.standing is None else Reason.UNKNOWN_PROVIDER
    return _reader(facts.standing.provider, facts.standing.grants)


def _decide_legacy(realm: DataRealm, device: KnownDevice, facts: Facts) -> Reason:
    if facts.standing is None:
        return Reason.UNSETTLED
    mode = facts.standing.legacy_mode
    if mode not in ("own_realm_only", "dual"):
        return Reason.LEGACY_DENIED
    if DeviceApp(realm.app_key, realm.stage) in device.apps:
        return Reason.APP
    if mode == "own_realm_only":
        return Reason.LEGACY_FOREIGN
    return _reader(facts.standing.provider, facts.standing.grants)


def _reader(provider: Provider | None, grants: Collection[str]) -> Reason:
    if provider is None:
        return Reason.NO_GRANT
    is_granted = provider.name in grants or (EVERY_PROVIDER in grants and provider.type != PLATFORM)
    return Reason.APP_READER if is_granted else Reason.NO_GRANT
