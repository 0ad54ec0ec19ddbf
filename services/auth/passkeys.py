"""Passkeys (WebAuthn level 3): a second factor, or the only thing that a sign-in needs.

The authenticator always verifies its user, so that a passkey alone is two factors: what somebody has, and what they are
or know. Origin and relying party are compared exactly; a counter that went back is a copied key, and refused.
"""

import base64
import binascii
import secrets
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import webauthn
from attrs import evolve
from psycopg.errors import UniqueViolation
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from services.auth.factors import factor_changed_in_txn, factor_draft
from services.auth.mailing import Mailing
from services.auth.persons import person_in_txn
from services.auth.records.factors import Passkey, PasskeyChallenge
from services.auth.records.sessions import HalfSignIn, Session
from services.auth.sessions import TOKEN_OCTETS, token_hash
from services.auth.store.factors import (
    passkey_delete,
    passkey_insert,
    passkey_list,
    passkey_lock_in_txn,
    passkey_rename,
    passkey_use,
)
from services.auth.store.sessions import sign_in_delete, sign_in_insert, sign_in_lock_in_txn
from shared import audit
from shared.database import Connection, Database
from shared.errors import AlreadyExistsError, ExpiredError, FactorRejectedError, NotFoundError
from shared.identities import Person
from shared.names import clean_name

CHALLENGE_OCTETS: Final = 32
REJECTED: Final = "this passkey was not accepted; try again, or use another way"
NO_PASSKEY: Final = "you have no such passkey"
LAPSED: Final = "this took too long; begin again"


class Passkeys:
    """The passkeys of this installation's people."""

    def __init__(self, database: Database, mailing: Mailing, *, origin: str, name: str) -> None:
        """Keep them in `database`; `origin` is that of auth's pages, its host the relying party."""
        self._database = database
        self._mailing = mailing
        self._origin = origin
        self._rp_id = urlsplit(origin).hostname or ""
        self._name = name

    async def begin(self, session: Session) -> PasskeyChallenge:
        """What the browser is asked to make a passkey with."""
        token, challenge = secrets.token_urlsafe(TOKEN_OCTETS), secrets.token_bytes(CHALLENGE_OCTETS)
        async with self._database.transaction() as connection:
            person = await person_in_txn(connection, session.account_key)
            known = await passkey_list(connection, session.account_key)
            half = HalfSignIn("enrolment", session.account_key, session.session_id, challenge, 0, is_known_browser=True)
            await sign_in_insert(connection, token_hash(token), half)
        options = webauthn.generate_registration_options(
            rp_id=self._rp_id,
            rp_name=self._name,
            user_name=person.login_name,
            user_display_name=person.display_name or person.login_name,
            user_id=person.user_handle.bytes,
            challenge=challenge,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=each.credential_id) for each in known],
        )
        return PasskeyChallenge(token, webauthn.options_to_json(options))

    async def add(self, session: Session, token: str, name: str, response: dict[str, Any]) -> None:
        """Keep the passkey that the browser made.

        Raises:
            ExpiredError: The challenge is not this session's, or too old.
            FactorRejectedError: The answer is not one to the challenge.
            AlreadyExistsError: The passkey is kept already.
        """
        label = clean_name(name, what="name")
        try:
            await self._add(session, token, label, response)
        except UniqueViolation as error:  # which a pipeline may tell as late as at its end
            raise AlreadyExistsError("this passkey is there already") from error

    async def _add(self, session: Session, token: str, label: str, response: dict[str, Any]) -> None:
        async with self._database.transaction() as connection:
            half = await sign_in_lock_in_txn(connection, token_hash(token))
            if half is None or half.session_id != session.session_id or half.purpose != "enrolment":
                raise ExpiredError(LAPSED)
            await sign_in_delete(connection, token_hash(token))
            person = await person_in_txn(connection, session.account_key)
            passkey = self._registered(person.account_key, label, response, half.challenge or b"")
            await passkey_insert(connection, passkey)
            action = audit.Action.PASSKEY_ADDED
            await factor_changed_in_txn(
                connection, self._mailing, person, credential=session.session_id, action=action, change="passkey_added"
            )

    async def rename(self, person: Person, passkey: str, name: str) -> None:
        """Call one of the person's passkeys otherwise.

        Raises:
            NotFoundError: They have none of that id.
        """
        label = clean_name(name, what="name")
        async with self._database.transaction() as connection:
            if not await passkey_rename(connection, person.account_key, _octets(passkey), label):
                raise NotFoundError(NO_PASSKEY)
            draft = factor_draft(person.account_key, person.credential, audit.Action.PASSKEY_RENAMED)
            await audit.record(connection, evolve(draft, aspect=audit.Aspect.NAME))

    async def remove(self, person: Person, passkey: str) -> None:
        """One of the person's passkeys opens nothing any more.

        Raises:
            NotFoundError: They have none of that id.
        """
        async with self._database.transaction() as connection:
            account = await person_in_txn(connection, person.account_key)
            if not await passkey_delete(connection, person.account_key, _octets(passkey)):
                raise NotFoundError(NO_PASSKEY)
            action = audit.Action.PASSKEY_REMOVED
            await factor_changed_in_txn(
                connection,
                self._mailing,
                account,
                credential=person.credential,
                action=action,
                change="passkey_removed",
            )

    async def request_in_txn(self, connection: Connection, account_key: int | None) -> tuple[bytes, str]:
        """A challenge, and what the browser is asked: any of the person's passkeys, or whichever it has for us."""
        challenge = secrets.token_bytes(CHALLENGE_OCTETS)
        known = [] if account_key is None else await passkey_list(connection, account_key)
        options = webauthn.generate_authentication_options(
            rp_id=self._rp_id,
            challenge=challenge,
            allow_credentials=[PublicKeyCredentialDescriptor(id=each.credential_id) for each in known],
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return challenge, webauthn.options_to_json(options)

    async def owner_in_txn(self, connection: Connection, response: dict[str, Any]) -> int | None:
        """Whose passkey `response` says it is; nothing is proved by that."""
        passkey = await passkey_lock_in_txn(connection, _octets(str(response.get("id", ""))))
        return None if passkey is None else passkey.account_key

    async def verify_in_txn(
        self, connection: Connection, challenge: bytes, response: dict[str, Any], account_key: int | None
    ) -> int:
        """Whose passkey answered `challenge`: that of `account_key`, or of anybody where it is None.

        Raises:
            FactorRejectedError: Nobody's.
        """
        passkey = await passkey_lock_in_txn(connection, _octets(str(response.get("id", ""))))
        if passkey is None or account_key not in (None, passkey.account_key):
            raise FactorRejectedError(REJECTED)
        verified = self._answered(passkey, response, challenge)
        await passkey_use(
            connection, passkey.credential_id, verified.new_sign_count, is_backed_up=verified.credential_backed_up
        )
        return passkey.account_key

    def _answered(self, passkey: Passkey, response: dict[str, Any], challenge: bytes) -> VerifiedAuthentication:
        try:
            return webauthn.verify_authentication_response(
                credential=response,
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=True,
            )
        except Exception as error:  # parsers of a stranger's octets fail in more ways than they tell
            raise FactorRejectedError(REJECTED) from error

    def _registered(self, account_key: int, name: str, response: dict[str, Any], challenge: bytes) -> Passkey:
        try:
            verified = webauthn.verify_registration_response(
                credential=response,
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                require_user_verification=True,
            )
        except Exception as error:  # parsers of a stranger's octets fail in more ways than they tell
            raise FactorRejectedError(REJECTED) from error
        inner = response.get("response")
        transports = inner.get("transports") if isinstance(inner, dict) else None
        return Passkey(
            credential_id=verified.credential_id,
            account_key=account_key,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            name=name,
            transports=[str(each)[:32] for each in transports[:8]] if isinstance(transports, list) else [],
            is_backed_up=verified.credential_backed_up,
            created_at=datetime.fromtimestamp(0, UTC),  # the database's word counts
            last_used_at=None,
        )


def _octets(text: str) -> bytes:
    """A credential id out of base64url; of what is none, an id that nobody has."""
    try:
        return base64.urlsafe_b64decode(text.encode("ascii") + b"==")
    except (UnicodeError, binascii.Error):
        return b""
