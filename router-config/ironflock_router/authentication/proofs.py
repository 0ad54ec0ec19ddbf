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

from attrs import frozen
from autobahn.wamp.auth import compute_wcs

from ironflock_router.authentication.credentials import Credentials
from ironflock_router.authentication.doors import Door
from ironflock_router.authentication.refusals import ENDED_DEVICE, WRONG_PROOF, Refusal
from ironflock_router.records import Identity
from ironflock_router.wire_names import DEVICE, REALM1, USER
from shared.identities import parse_device_authid

MAX_AUTHID_LENGTH: Final = 128
MAX_TICKET_LENGTH: Final = 4096
"""What `auth` takes; it refuses a longer one as malformed, which would read as being away."""
_NOBODYS_SECRET: Final = secrets.token_urlsafe(32)


@frozen
class Claim:
    """What a client says of itself, and the challenge that it was given."""

    door: Door
    realm: str
    authid: str
    address: str
    challenge: str


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

    def __init__(self, credentials: Credentials) -> None:
        """Look secrets up in `credentials`."""
        self._credentials = credentials
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
        if claim.realm not in claim.door.realms or len(claim.authid) > MAX_AUTHID_LENGTH:
            return WRONG_PROOF
        return await self._by_door[claim.door](claim, signature)

    async def _device(self, claim: Claim, signature: str) -> Identity | Refusal:
        is_plausible = parse_device_authid(claim.authid) is not None
        found = await self._credentials.device_find(claim.authid) if is_plausible else None
        if not _is_signed(claim.challenge, signature, found.secret if found else None) or found is None:
            return WRONG_PROOF
        if not found.is_active:
            return ENDED_DEVICE
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
        return Identity(REALM1, str(found.account_key), USER, "ticket", extra, ends_at=found.ends_at)

    async def _app(self, claim: Claim, signature: str) -> Identity | Refusal:
        _is_signed(claim.challenge, signature, None)
        return WRONG_PROOF

    async def _service(self, claim: Claim, signature: str) -> Identity | Refusal:
        if not _is_signed(claim.challenge, signature, self._credentials.service_find(claim.authid)):
            return WRONG_PROOF
        return Identity(claim.realm, claim.authid, claim.authid, "wampcra")


def _is_signed(challenge: str, signature: str, secret: str | None) -> bool:
    """Whether `signature` is `secret`'s over `challenge`; without a secret the same work is done, for a no."""
    expected: bytes = compute_wcs((secret or _NOBODYS_SECRET).encode(), challenge.encode())
    return compare_digest(expected, signature.encode(errors="replace")) and secret is not None
