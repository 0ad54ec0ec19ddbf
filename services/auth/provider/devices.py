"""Devices that wait for a person's decision (RFC 8628): found by the code that they show, approved or refused."""

from typing import Final

from services.auth.records.provider import Waiting
from services.auth.records.sessions import Session
from services.auth.sessions import token_hash
from services.auth.store.clients import consent_upsert
from services.auth.store.grants import waiting_decide, waiting_find
from services.auth.throttling import Throttle
from shared import audit
from shared.database import Connection, Database
from shared.errors import NotFoundError

NO_DEVICE: Final = "no device shows this code, or it has waited too long"
MAX_CODE_LENGTH: Final = 32
BETWEEN: Final = " -._\u2013\u00a0"


class WaitingDevices:
    """The devices of this installation that wait."""

    def __init__(self, database: Database, throttle: Throttle) -> None:
        """Find them in `database`; `throttle` counts guesses of each person."""
        self._database = database
        self._throttle = throttle

    async def find(self, session: Session, typed: str) -> Waiting:
        """The device that shows the code.

        Raises:
            NotFoundError: There is none.
            OverLimitError: The person has guessed too often.
        """
        subject = token_hash(f"user code {session.account_key}")
        await self._throttle.begin(subject)
        async with self._database.transaction() as connection:
            found = await _found_in_txn(connection, typed)
        await self._throttle.take_back(subject)  # a code of their own is no proof of good faith
        return found

    async def decide(self, session: Session, typed: str, *, approve: bool) -> Waiting:
        """The person decides; what the device gets lives from how they have signed in. Errors as `find`.

        Letting in a device of another's application is a consent, which can be taken back as any other.
        """
        found = await self.find(session, typed)
        async with self._database.transaction() as connection:
            await _found_in_txn(connection, typed)
            decision = "approved" if approve else "refused"
            await waiting_decide(connection, found.user_code, decision, session)
            if approve and not found.is_first_party:
                await consent_upsert(connection, session.account_key, found.client_id, sorted(found.scopes))
            action = audit.Action.DEVICE_CODE_APPROVED if approve else audit.Action.DEVICE_CODE_REFUSED
            await audit.record(connection, _decided(action, session, found))
        return found


async def _found_in_txn(connection: Connection, typed: str) -> Waiting:
    code = plain_code(typed)
    found = await waiting_find(connection, code) if code else None
    if found is None:
        raise NotFoundError(NO_DEVICE)
    return found


def plain_code(typed: str) -> str:
    """What a person typed, without what they may put between; empty where it is no code."""
    if len(typed) > MAX_CODE_LENGTH:
        return ""
    code = "".join(letter for letter in typed.upper() if letter not in BETWEEN)
    return code if code.isascii() and code.isalpha() else ""


def _decided(action: audit.Action, session: Session, waiting: Waiting) -> audit.Draft:
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.ACCESS,
        actor=audit.Actor(audit.ActorKind.PERSON, session.account_key, credential=session.session_id),
        asset=audit.Asset("client", waiting.client_id),
        after={"scopes": waiting.scopes},
    )
