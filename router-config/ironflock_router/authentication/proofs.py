"""From a HELLO to an identity: one challenge a connection, one answer, compared in constant time.

The challenge goes out before anything is looked up, so that known and unknown principals look the same up to here, and
a client that never answers costs no question to `auth`. Randomness and the wall clock are read here.
"""

import json
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from hmac import compare_digest
from typing import Final

import structlog
from attrs import evolve, frozen
from autobahn.wamp.auth import compute_wcs

from ironflock_router.authentication.credentials import Credentials
from ironflock_router.authentication.doors import CRA, TICKET, Door
from ironflock_router.authentication.refusals import (
    APP_OF_OTHER_CELL,
    AWAY,
    ENDED_DEVICE,
    NO_SUCH_REALM,
    OTHER_CELL,
    WRONG_PROOF,
    Refusal,
)
from ironflock_router.patterns import is_segment
from ironflock_router.realm_names import AppAuthid, DataRealm
from ironflock_router.records import AppCredential, DeviceCredential, Identity, RefusedApp
from ironflock_router.wire_names import (
    AGENTS_CALLER,
    APP,
    CALLS_AGENTS,
    DATA_SERVICES,
    DEVICE,
    REALM1,
    TERMINAL,
    TERMINAL_AUTHID,
    USER,
)
from shared.board_tickets import is_well_formed
from shared.identities import parse_account_authid, parse_device_authid

log = structlog.get_logger()

MAX_AUTHID_LENGTH: Final = 128
MAX_TICKET_LENGTH: Final = 4096
"""What `auth` takes; it refuses a longer one as malformed, which would read as being away."""
NOT_THERE_YET: Final = frozenset({"not_installed", "not_installed_realm_stage"})
"""Reasons of `auth` that read as a realm which does not exist yet, for a device that proves its secret."""
UNSETTLED: Final = "unsettled"
"""A reason of `auth` too: nobody can say now how the app stands towards the realm."""
CELL_UNKNOWN: Final = ""
"""For the cell of a project, from `auth`: nobody can say it now, or who may have proved nothing would wait for it."""
_NOBODYS_SECRET: Final = secrets.token_urlsafe(32)


@frozen
class Claim:
    """What a client says of itself, the challenge that it was given, and by which method it answers."""

    door: Door
    realm: str
    authid: str
    address: str
    challenge: str
    method: str = CRA


def challenge_text(authid: str, session_id: int) -> str:
    """A new WAMP-CRA challenge, in the shape that Crossbar gives it."""
    return json.dumps(
        {
            "authid": authid[:MAX_AUTHID_LENGTH],
            "authrole": None,
            "authmethod": "wampcra",
            "authprovider": "dynamic",
            "session": session_id,
            "nonce": secrets.token_urlsafe(48),
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),  # noqa: TID251 - WAMP dates challenges
        }
    )


class Proofs:
    """Checks what clients answer to their challenge."""

    def __init__(self, credentials: Credentials, cell: str) -> None:
        """Look secrets up in `credentials`; whoever belongs to another cell than `cell` is let into none here."""
        self._credentials = credentials
        self._cell = cell
        self._by_door: dict[Door, Callable[[Claim, str], Awaitable[Identity | Refusal]]] = {
            Door.DEVICES: self._device,
            Door.PEOPLE: self._person,
            Door.APPS: self._app,
            Door.SERVICES: self._service,
        }

    async def check(self, claim: Claim, signature: str) -> Identity | Refusal:
        """Who the client is, or why it is refused.

        Raises:
            CredentialsAwayError: The question could not be settled.
        """
        if not claim.door.leads_to(claim.realm) or len(claim.authid) > MAX_AUTHID_LENGTH:
            return WRONG_PROOF
        return await self._by_door[claim.door](claim, signature)

    async def _device(self, claim: Claim, signature: str) -> Identity | Refusal:
        is_plausible = parse_device_authid(claim.authid) is not None
        found = await self._credentials.device_find(claim.authid) if is_plausible else None
        if not _is_signed(claim.challenge, signature, found.secret if found else None) or found is None:
            return WRONG_PROOF
        if not found.is_active:
            return ENDED_DEVICE
        cell = found.cell
        if cell == CELL_UNKNOWN:
            cell = _cell_of(await self._credentials.device_find(claim.authid, is_proven=True))
        astray = self._astray(cell, OTHER_CELL)
        if astray is not None:
            return astray
        extra = {
            "device_key": found.device_key,
            "project_key": found.project_key,
            "serial_number": found.serial_number,
            "flash_id": found.flash_id,
        }
        return Identity(
            REALM1, claim.authid, DEVICE, "wampcra", extra, serial=found.serial_number, device_key=found.device_key
        )

    async def _person(self, claim: Claim, signature: str) -> Identity | Refusal:
        if not 0 < len(signature) <= MAX_TICKET_LENGTH or not signature.isascii():
            return WRONG_PROOF
        found = await self._credentials.ticket_find(signature, claim.address)
        if found is None:
            return WRONG_PROOF
        extra = {"credential": found.credential, "scopes": found.scopes}
        lives_from = (found.credential,)
        who = str(found.account_key)
        return Identity(REALM1, who, USER, TICKET, extra, ends_at=found.ends_at, credentials=lives_from)

    async def _board(self, claim: Claim, ticket: str) -> Identity | Refusal:
        found = await self._credentials.board_take(claim.realm, ticket) if is_well_formed(ticket) else None
        if found is None:
            return WRONG_PROOF
        if self._is_elsewhere(found.cell):
            return evolve(OTHER_CELL, cell=found.cell)
        extra = {"account_key": found.account_key, "board_key": found.board_key}
        return Identity(
            claim.realm,
            str(found.account_key),
            found.role,
            TICKET,
            extra,
            ends_at=found.ends_at,
            credentials=found.credentials,
        )

    async def _app(self, claim: Claim, signature: str) -> Identity | Refusal:
        if claim.method == TICKET:
            return await self._board(claim, signature)
        is_plausible = is_segment(claim.authid) and claim.authid.isascii()
        found = await self._credentials.app_find(claim.realm, claim.authid) if is_plausible else None
        if not _is_signed(claim.challenge, signature, found.secret if found else None) or found is None:
            return WRONG_PROOF
        if isinstance(found, RefusedApp):
            return _refusal_of(found)
        app = AppAuthid.parse(claim.authid)
        if not _fits(found, claim.realm, app):
            log.error("app_credential_of_another", realm=claim.realm)
            return WRONG_PROOF
        cell = found.cell
        if cell == CELL_UNKNOWN:
            cell = _cell_of(await self._credentials.app_find(claim.realm, claim.authid, is_proven=True))
        return self._astray(cell, APP_OF_OTHER_CELL) or _app_of(claim.realm, found, app)

    async def _service(self, claim: Claim, signature: str) -> Identity | Refusal:
        if claim.authid.startswith(TERMINAL_AUTHID):
            return self._terminal(claim, signature)
        may_be_there = claim.authid in DATA_SERVICES or DataRealm.parse(claim.realm) is None
        found = self._credentials.service_find(claim.authid) if may_be_there else ()
        if not _is_signed_by_one(claim.challenge, signature, found):
            return WRONG_PROOF
        is_agents_caller = claim.authid == CALLS_AGENTS and claim.realm == REALM1
        authid = AGENTS_CALLER if is_agents_caller else claim.authid
        return Identity(claim.realm, authid, claim.authid, "wampcra", {"cell": self._cell})

    def _astray(self, cell: str | None, elsewhere: Refusal) -> Refusal | None:
        """Why who has proved a secret does not join here, where they do not."""
        if cell == CELL_UNKNOWN:
            return AWAY
        return evolve(elsewhere, cell=cell) if self._is_elsewhere(cell) else None

    def _is_elsewhere(self, cell: str | None) -> bool:
        return cell not in (None, self._cell)

    def _terminal(self, claim: Claim, signature: str) -> Identity | Refusal:
        """A session by which a person's terminal is spoken with: by the secret of the service that calls agents."""
        account_key = parse_account_authid(claim.authid.removeprefix(TERMINAL_AUTHID))
        is_plausible = account_key is not None and claim.realm == REALM1
        found = self._credentials.service_find(CALLS_AGENTS) if is_plausible else ()
        if not _is_signed_by_one(claim.challenge, signature, found):
            return WRONG_PROOF
        return Identity(REALM1, str(account_key), TERMINAL, CRA)


def _app_of(realm: str, found: AppCredential, app: AppAuthid) -> Identity:
    extra = {
        "device_key": found.device_key,
        "project_key": found.project_key,
        "app_key": app.app_key,
        "stage": app.stage,
    }
    serial, key = found.serial_number, found.device_key
    return Identity(realm, serial, found.role, CRA, extra, serial=serial, device_key=key, app=app)


def _cell_of(again: DeviceCredential | AppCredential | RefusedApp | None) -> str | None:
    """What `auth` says for who has proved the secret; whatever else it says by now is for the next join."""
    return again.cell if isinstance(again, DeviceCredential | AppCredential) else CELL_UNKNOWN


def _refusal_of(found: RefusedApp) -> Refusal:
    """For who has proved a secret."""
    if found.reason == UNSETTLED:
        return AWAY
    return NO_SUCH_REALM if found.reason in NOT_THERE_YET else WRONG_PROOF


def _fits(found: AppCredential, realm_name: str, app: AppAuthid) -> bool:
    """Whether what `auth` found is what was asked for: a look-up that goes wrong there must not open a realm here."""
    realm = DataRealm.parse(realm_name)
    is_in_project = realm is not None and found.project_key == realm.project_key
    is_own = realm is not None and app.app_key in (None, realm.app_key)
    return is_in_project and found.serial_number == app.serial_number and (is_own or found.role != APP)


def _is_signed_by_one(challenge: str, signature: str, candidates: tuple[str, ...]) -> bool:
    """Whether `signature` is by one of the secrets that count; where there is none, the same work is done for a no."""
    return any(_is_signed(challenge, signature, each) for each in candidates or (None,))


def _is_signed(challenge: str, signature: str, secret: str | None) -> bool:
    """Whether `signature` is `secret`'s over `challenge`; without a secret the same work is done, for a no."""
    expected: bytes = compute_wcs((secret or _NOBODYS_SECRET).encode(), challenge.encode())
    return compare_digest(expected, signature.encode(errors="replace")) and secret is not None
