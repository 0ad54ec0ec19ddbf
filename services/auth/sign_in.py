"""Signing in: a password and then a factor, or a passkey alone.

(1) The attempt is counted against the login name before anything is compared, so that parallel guesses gain nothing;
in a browser where this person has signed in before it is counted apart, so that strangers cannot slow them down there.
(2) The password is compared, for as long as it takes, whether or not there is such an account. (3) Where the account
has a second factor, a half-done sign-in of ten minutes waits for it; five wrong codes end it, and codes have counters
of their own. (4) One transaction spends the factor and opens the session.
"""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

from attrs import evolve

from services.auth.factors import methods_of, overview_in_txn
from services.auth.passkeys import CHALLENGE_OCTETS, LAPSED, REJECTED
from services.auth.records.factors import PasskeyChallenge
from services.auth.records.people import PersonAccount
from services.auth.records.sessions import HalfSignIn, Method, NeedsFactor, NewSession, SignedIn, Source
from services.auth.rules.login_names import login_canonical
from services.auth.rules.throttling import MAX_CODE_FAILURES, subject
from services.auth.sessions import TOKEN_OCTETS, token_hash
from services.auth.sign_in_parts import Parts
from services.auth.store.people import person_find, person_find_by_login, person_rehash
from services.auth.store.sessions import (
    browser_is_known,
    sign_in_delete,
    sign_in_insert,
    sign_in_lock_in_txn,
    sign_in_update,
)
from shared.database import Connection
from shared.errors import ExpiredError, FactorRejectedError, SignInRefusedError

REFUSED: Final = "login name and password do not fit together, or the account cannot be used"
AMR: Final[dict[Method, list[str]]] = {
    "totp": ["pwd", "otp", "mfa"],
    "recovery": ["pwd", "kba", "mfa"],
    "passkey": ["pwd", "hwk", "mfa"],
}
ALONE: Final = ["hwk", "user", "mfa"]
"""A passkey that verified its user is two factors (RFC 8176: `hwk`, `user`)."""
Spend = Callable[[Connection, HalfSignIn], Awaitable[None]]


class SignIn:
    """The ways in."""

    def __init__(self, parts: Parts) -> None:
        """Made of `parts`."""
        self._parts = parts
        self._database = parts.database

    async def with_password(
        self, login_name: str, password: str, source: Source, *, browser: str | None
    ) -> NeedsFactor | SignedIn:
        """The first step.

        Args:
            browser: The token of the browser, if it has one.

        Raises:
            SignInRefusedError: Unknown, wrong, disabled, locked out, not verified: all the same, after the same time.
            OverLimitError: Too many attempts; `retry_after_s`.
            UnavailableError: Locks cannot be looked up now.
        """
        canonical = login_canonical(login_name)
        person = await self._database.run(lambda connection: person_find_by_login(connection, canonical))
        is_let_in = await self.lets_in(person)
        is_known = person is not None and await self._is_known(person.account_key, browser)
        counted = subject("password", canonical, browser if is_known else "")
        await self._parts.throttle.begin(counted)
        stored = person.password_hash if person is not None and is_let_in else None
        if not await self._parts.passwords.verify(stored, password) or person is None or stored is None:
            await self._parts.refused(person, source, "password")
            raise SignInRefusedError(REFUSED)
        await self._parts.throttle.succeed(counted)
        await self._rehash(person, stored, password)
        async with self._database.transaction() as connection:
            return await self.after_first_in_txn(
                connection, person, ["pwd"], source, browser=browser if is_known else None
            )

    async def with_totp(self, token: str, code: str, source: Source, *, browser: str | None = None) -> SignedIn:
        """Go on with a code of the person's app. Errors as `_finish` has them."""

        async def spend(connection: Connection, half: HalfSignIn) -> None:
            await self._parts.factors.spend_totp_in_txn(connection, half.account_key or 0, code)

        return await self._finish(token, "totp", spend, source, browser)

    async def with_recovery_code(
        self, token: str, code: str, source: Source, *, browser: str | None = None
    ) -> SignedIn:
        """Go on with a recovery code. Errors as `_finish` has them."""

        async def spend(connection: Connection, half: HalfSignIn) -> None:
            await self._parts.factors.spend_recovery_code_in_txn(connection, half.account_key or 0, code)

        return await self._finish(token, "recovery", spend, source, browser)

    async def passkey_options(self, token: str | None) -> PasskeyChallenge:
        """What the browser is asked: as second factor of the sign-in `token`, or, without one, as the only thing.

        Raises:
            ExpiredError: The sign-in is over.
        """
        async with self._database.transaction() as connection:
            half = None if token is None else await sign_in_lock_in_txn(connection, token_hash(token))
            if token is not None and half is None:
                raise ExpiredError(LAPSED)
            challenge, options = await self._parts.passkeys.request_in_txn(
                connection, None if half is None else half.account_key
            )
            if token is not None and half is not None:
                await sign_in_update(connection, token_hash(token), failures=half.failures, challenge=challenge)
                return PasskeyChallenge(token, options)
            token = secrets.token_urlsafe(TOKEN_OCTETS)
            alone = HalfSignIn("sign_in", None, None, challenge, 0, is_known_browser=False)
            await sign_in_insert(connection, token_hash(token), alone)
            return PasskeyChallenge(token, options)

    async def with_passkey(
        self, token: str, response: dict[str, Any], source: Source, *, browser: str | None = None
    ) -> SignedIn:
        """Go on with a passkey, or sign in with nothing else. Errors as `_finish` has them."""

        async def spend(connection: Connection, half: HalfSignIn) -> None:
            challenge = half.challenge or secrets.token_bytes(CHALLENGE_OCTETS)
            await self._parts.passkeys.verify_in_txn(connection, challenge, response, half.account_key)

        whose = await self._owner_of(token, response)
        return await self._finish(token, "passkey", spend, source, browser, alone=whose)

    async def after_first_in_txn(
        self,
        connection: Connection,
        person: PersonAccount,
        amr: list[str],
        source: Source,
        *,
        browser: str | None,
        upstream_id: str | None = None,
    ) -> NeedsFactor | SignedIn:
        """Go on after a first step by `amr`: with a second factor of the person's, unless that was two already.

        Args:
            browser: The token of the browser, if the person has signed in there before.
            upstream_id: The sign-in by another provider that the first step was.

        Raises:
            SignInRefusedError: The account cannot be used.
        """
        if not await self.lets_in(person):
            raise SignInRefusedError(REFUSED)
        methods = () if "mfa" in amr else methods_of(await overview_in_txn(connection, person.account_key))
        if not methods:
            return SignedIn(
                await self.open_in_txn(connection, person, amr, source, browser=browser, upstream_id=upstream_id)
            )
        token = secrets.token_urlsafe(TOKEN_OCTETS)
        half = HalfSignIn(
            "sign_in", person.account_key, None, None, 0, is_known_browser=browser is not None, upstream_id=upstream_id
        )
        await sign_in_insert(connection, token_hash(token), half)
        return NeedsFactor(token, methods)

    async def open_in_txn(
        self,
        connection: Connection,
        person: PersonAccount,
        amr: list[str],
        source: Source,
        *,
        browser: str | None,
        upstream_id: str | None = None,
    ) -> NewSession:
        """A browser session for a person who showed who they are in another way (a link, another provider).

        Raises:
            SignInRefusedError: The account cannot be used.
        """
        if not await self.lets_in(person):
            raise SignInRefusedError(REFUSED)
        return await self._parts.sessions.open_in_txn(
            connection, person.account_key, kind="browser", amr=amr, source=source, has_factor="mfa" in amr,
            browser=browser, upstream_id=upstream_id,
        )  # fmt: skip

    async def lets_in(self, person: PersonAccount | None) -> bool:
        """Whether that is an account that can be used now: an active person's, on whom no lock stands.

        Raises:
            UnavailableError: Locks cannot be looked up now; raised whether or not there is an account.
        """
        is_out = await self._parts.locks.is_out(None if person is None else person.account_key)
        return person is not None and person.can_sign_in and not is_out

    async def refused(self, person: PersonAccount, source: Source, what: str) -> None:
        """Record that somebody could not sign in to an account that they open elsewhere."""
        await self._parts.refused(person, source, what)

    async def waiting_for(self, token: str) -> tuple[Method, ...]:
        """With what the half-done sign-in `token` goes on.

        Raises:
            ExpiredError: It is over.
        """
        half = await self._half(token)
        return await self.methods(half.account_key or 0)

    async def methods(self, account_key: int) -> tuple[Method, ...]:
        """The second factors that the person has."""
        async with self._database.transaction() as connection:
            return methods_of(await overview_in_txn(connection, account_key))

    async def _is_known(self, account_key: int, browser: str | None) -> bool:
        if not browser:
            return False
        return await self._database.run(
            lambda connection: browser_is_known(connection, token_hash(browser), account_key)
        )

    async def _rehash(self, person: PersonAccount, stored: str, password: str) -> None:
        if self._parts.passwords.is_outdated(stored):
            fresh = await self._parts.passwords.again(password)
            await self._database.run(lambda connection: person_rehash(connection, person.account_key, stored, fresh))

    async def _owner_of(self, token: str, response: dict[str, Any]) -> int | None:
        """Whose passkey it says it is, where the sign-in does not say it."""
        async with self._database.transaction() as connection:
            half = await sign_in_lock_in_txn(connection, token_hash(token))
            if half is None or half.account_key is not None:
                return None
            return await self._parts.passkeys.owner_in_txn(connection, response)

    async def _finish(
        self, token: str, method: Method, spend: Spend, source: Source, browser: str | None, *, alone: int | None = None
    ) -> SignedIn:
        """Spend the factor and open the session, or count the failure.

        Raises:
            ExpiredError: The sign-in is over: too late, done, or five wrong codes.
            FactorRejectedError: The factor is not the right one.
            OverLimitError: Too many attempts.
            SignInRefusedError: The account cannot be used any more.
            UnavailableError: Locks cannot be looked up now; nothing is spent or counted.
        """
        await self._parts.locks.settle()
        half = await self._half(token)
        account_key = half.account_key if half.account_key is not None else alone
        if account_key is None:
            raise FactorRejectedError(REJECTED)
        known = browser if half.is_known_browser and await self._is_known(account_key, browser) else None
        counted = subject("code", account_key, known or "")
        await self._parts.throttle.begin(counted)
        try:
            amr = ALONE if half.account_key is None else AMR[method]
            new = await self._spent(token, account_key, spend, amr=amr, source=source, browser=known)
        except FactorRejectedError:
            await self._failed(token)
            await self._parts.refused_key(account_key, source, method)
            raise
        await self._parts.throttle.succeed(counted)
        return SignedIn(new)

    async def _half(self, token: str) -> HalfSignIn:
        async with self._database.transaction() as connection:
            half = await sign_in_lock_in_txn(connection, token_hash(token))
        if half is None or half.purpose != "sign_in":
            raise ExpiredError(LAPSED)
        return half

    async def _spent(
        self, token: str, account_key: int, spend: Spend, *, amr: list[str], source: Source, browser: str | None
    ) -> NewSession:
        async with self._database.transaction() as connection:
            half = await sign_in_lock_in_txn(connection, token_hash(token))  # of two at once the second finds none
            if half is None:
                raise ExpiredError(LAPSED)
            await spend(connection, evolve(half, account_key=account_key))
            await sign_in_delete(connection, token_hash(token))
            person = await person_find(connection, account_key)
            if person is None:
                raise SignInRefusedError(REFUSED)
            by = amr if half.upstream_id is None else ["fed" if each == "pwd" else each for each in amr]
            return await self.open_in_txn(connection, person, by, source, browser=browser, upstream_id=half.upstream_id)

    async def _failed(self, token: str) -> None:
        async with self._database.transaction() as connection:
            half = await sign_in_lock_in_txn(connection, token_hash(token))
            if half is None:
                return
            if half.failures + 1 >= MAX_CODE_FAILURES:
                await sign_in_delete(connection, token_hash(token))
            else:
                failures = half.failures + 1
                await sign_in_update(connection, token_hash(token), failures=failures, challenge=half.challenge)
