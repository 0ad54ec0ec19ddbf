"""Showing again, on an open session, who one is: its cookie changes, and what needs a fresh factor can be done."""

import secrets
from typing import Any

from services.auth.factors import overview_in_txn
from services.auth.passkeys import LAPSED
from services.auth.records.factors import PasskeyChallenge
from services.auth.records.sessions import HalfSignIn, Method, NewSession, Session, Source
from services.auth.rules.throttling import subject
from services.auth.sessions import TOKEN_OCTETS, token_hash
from services.auth.sign_in import AMR, REFUSED
from services.auth.sign_in_parts import Parts
from services.auth.store.people import person_find
from services.auth.store.sessions import (
    sign_in_delete,
    sign_in_insert,
    sign_in_lock_in_txn,
)
from shared.errors import ExpiredError, FactorRejectedError, SignInRefusedError


class Reauthentication:
    """The ways to step up."""

    def __init__(self, parts: Parts) -> None:
        """Made of `parts`."""
        self._parts = parts
        self._database = parts.database

    async def with_password(self, session: Session, password: str, source: Source) -> NewSession:
        """Show again who one is, where there is no second factor.

        Raises:
            SignInRefusedError, OverLimitError: As `with_password`.
            FactorRejectedError: The account has a second factor: it is what is asked for.
        """
        person = await self._database.run(lambda connection: person_find(connection, session.account_key))
        counted = subject("password-again", session.session_id)
        await self._parts.throttle.begin(counted)
        stored = None if person is None else person.password_hash
        if not await self._parts.passwords.verify(stored, password):
            await self._parts.refused(person, source, "password")
            raise SignInRefusedError(REFUSED)
        await self._parts.throttle.succeed(counted)
        async with self._database.transaction() as connection:
            if (await overview_in_txn(connection, session.account_key)).has_any:
                raise FactorRejectedError("this account has a second factor: show that one")
            return await self._parts.sessions.renew_in_txn(
                connection, session, amr=["pwd"], has_factor=False, source=source
            )

    async def with_code(self, session: Session, method: Method, code: str, source: Source) -> NewSession:
        """Show a code again: one of the app (`totp`), or a recovery code.

        Raises:
            FactorRejectedError: It is wrong or spent.
            OverLimitError: Too many attempts.
        """
        spend = (
            self._parts.factors.spend_totp_in_txn
            if method == "totp"
            else self._parts.factors.spend_recovery_code_in_txn
        )
        counted = subject("code", session.account_key, session.session_id)
        await self._parts.throttle.begin(counted)
        try:
            async with self._database.transaction() as connection:
                await spend(connection, session.account_key, code)
                renewed = await self._parts.sessions.renew_in_txn(
                    connection, session, amr=AMR[method], has_factor=True, source=source
                )
        except FactorRejectedError:
            await self._parts.refused_key(session.account_key, source, method)
            raise
        await self._parts.throttle.succeed(counted)
        return renewed

    async def with_passkey(self, session: Session, token: str, response: dict[str, Any], source: Source) -> NewSession:
        """Show a passkey again, that answers the challenge of `passkey_options`.

        Raises:
            ExpiredError, FactorRejectedError: It does not.
            OverLimitError: Too many attempts.
        """
        counted = subject("code", session.account_key, session.session_id)
        await self._parts.throttle.begin(counted)
        try:
            renewed = await self._answered(session, token, response, source)
        except FactorRejectedError:
            await self._parts.refused_key(session.account_key, source, "passkey")
            raise
        await self._parts.throttle.succeed(counted)
        return renewed

    async def passkey_options(self, session: Session) -> PasskeyChallenge:
        """What the browser is asked to show a passkey of the session's person again."""
        token = secrets.token_urlsafe(TOKEN_OCTETS)
        async with self._database.transaction() as connection:
            challenge, options = await self._parts.passkeys.request_in_txn(connection, session.account_key)
            half = HalfSignIn("step_up", session.account_key, session.session_id, challenge, 0, is_known_browser=True)
            await sign_in_insert(connection, token_hash(token), half)
        return PasskeyChallenge(token, options)

    async def _answered(self, session: Session, token: str, response: dict[str, Any], source: Source) -> NewSession:
        async with self._database.transaction() as connection:
            half = await sign_in_lock_in_txn(connection, token_hash(token))
            if half is None or half.session_id != session.session_id or half.purpose != "step_up":
                raise ExpiredError(LAPSED)
            await sign_in_delete(connection, token_hash(token))
            challenge = half.challenge or b""
            await self._parts.passkeys.verify_in_txn(connection, challenge, response, session.account_key)
            return await self._parts.sessions.renew_in_txn(
                connection, session, amr=AMR["passkey"], has_factor=True, source=source
            )
