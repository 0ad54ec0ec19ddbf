"""Second factors that are typed in: time-based codes and recovery codes.

What is spent is spent by one UPDATE with a condition: of twenty at once one succeeds.
"""

import base64
import secrets
from collections.abc import Callable
from typing import Final

import segno

from services.auth.keyring import Keyring
from services.auth.mailing import Mailing
from services.auth.persons import person_in_txn
from services.auth.records.factors import RECOVERY_CODES, FactorOverview, PasskeyView, TotpOffer
from services.auth.records.people import PersonAccount
from services.auth.records.sessions import Method, Session
from services.auth.rules.letters import Change
from services.auth.rules.recovery import CODE_OCTETS, code_hash, code_of
from services.auth.rules.totp import SECRET_OCTETS, key_uri, matching_step
from services.auth.store.factors import (
    passkey_list,
    recovery_code_count,
    recovery_code_replace_all,
    recovery_code_spend,
    totp_confirm,
    totp_delete,
    totp_is_there,
    totp_lock_in_txn,
    totp_offer,
    totp_spend,
)
from shared import audit
from shared.database import Connection, Database
from shared.errors import ExpiredError, FactorRejectedError, NotFoundError
from shared.identities import Person

REJECTED: Final = "this code is not the right one, or was used before; wait for the next one"
NOT_THERE: Final = "no codes of an authenticator app are set up"
LAPSED: Final = "the new secret has waited too long; begin again"


class Factors:
    """The typed factors of this installation's people."""

    def __init__(
        self, database: Database, keyring: Keyring, mailing: Mailing, now: Callable[[], float], *, issuer: str
    ) -> None:
        """Keep them in `database`; `now` gives Unix seconds, `issuer` is what apps show beside the login name."""
        self._database = database
        self._keyring = keyring
        self._mailing = mailing
        self._now = now
        self._issuer = issuer

    async def overview(self, account_key: int) -> FactorOverview:
        """Which factors the person has."""
        async with self._database.transaction() as connection:
            return await overview_in_txn(connection, account_key)

    async def begin_totp(self, session: Session) -> TotpOffer:
        """A new secret for the person's authenticator app; it waits ten minutes for its first code."""
        secret = base64.b32encode(secrets.token_bytes(SECRET_OCTETS)).decode()
        sealed = await self._keyring.seal(secret, _place(session.account_key, "pending_sealed"))
        async with self._database.transaction() as connection:
            person = await person_in_txn(connection, session.account_key)
            await totp_offer(connection, session.account_key, sealed)
        return self._offer(secret, person)

    async def offered_totp(self, session: Session) -> TotpOffer:
        """The secret that waits for its first code.

        Raises:
            ExpiredError: None does.
        """
        account_key = session.account_key
        async with self._database.transaction() as connection:
            person = await person_in_txn(connection, account_key)
            totp = await totp_lock_in_txn(connection, account_key)
        if totp is None or totp.pending_sealed is None:
            raise ExpiredError(LAPSED)
        return self._offer(await self._keyring.open(totp.pending_sealed, _place(account_key, "pending_sealed")), person)

    async def confirm_totp(self, session: Session, code: str) -> list[str]:
        """Take the new secret into use with its first code, which is spent by that.

        Returns:
            Recovery codes, where this is the person's first factor; shown this once.

        Raises:
            FactorRejectedError: The code is not the secret's.
            ExpiredError: No secret waits.
        """
        account_key = session.account_key
        async with self._database.transaction() as connection:
            person = await person_in_txn(connection, account_key)
            before = await overview_in_txn(connection, account_key)
            totp = await totp_lock_in_txn(connection, account_key)
            if totp is None or totp.pending_sealed is None:
                raise ExpiredError(LAPSED)
            secret = await self._keyring.open(totp.pending_sealed, _place(account_key, "pending_sealed"))
            step = matching_step(secret, code, now=self._now(), last_step=0)
            if step is None:
                raise FactorRejectedError(REJECTED)
            await totp_confirm(
                connection, account_key, await self._keyring.seal(secret, _place(account_key, "sealed")), step
            )
            await factor_changed_in_txn(
                connection,
                self._mailing,
                person,
                credential=session.session_id,
                action=audit.Action.TOTP_ENROLLED,
                change="totp_added",
            )
            return [] if before.has_any else await self._new_codes_in_txn(connection, person, session.session_id)

    async def remove_totp(self, person: Person) -> None:
        """No codes of an app any more.

        Raises:
            NotFoundError: There were none.
        """
        async with self._database.transaction() as connection:
            account = await person_in_txn(connection, person.account_key)
            if not await totp_delete(connection, person.account_key):
                raise NotFoundError(NOT_THERE)
            action = audit.Action.TOTP_REMOVED
            await factor_changed_in_txn(
                connection, self._mailing, account, credential=person.credential, action=action, change="totp_removed"
            )

    async def renew_recovery_codes(self, account_key: int, credential: str | None) -> list[str]:
        """Ten new recovery codes, shown this once; the ones before open nothing any more."""
        async with self._database.transaction() as connection:
            person = await person_in_txn(connection, account_key)
            return await self._new_codes_in_txn(connection, person, credential)

    def _offer(self, secret: str, person: PersonAccount) -> TotpOffer:
        uri = key_uri(secret, issuer=self._issuer, login_name=person.login_name)
        return TotpOffer(uri, secret, segno.make(uri, error="m").svg_inline(scale=4, border=4, omitsize=True))

    async def spend_totp_in_txn(self, connection: Connection, account_key: int, code: str) -> None:
        """Spend a code of the person's app.

        Raises:
            FactorRejectedError: It is wrong, or its step was spent before.
        """
        totp = await totp_lock_in_txn(connection, account_key)
        if totp is None or totp.sealed is None:
            raise FactorRejectedError(REJECTED)
        secret = await self._keyring.open(totp.sealed, _place(account_key, "sealed"))
        step = matching_step(secret, code, now=self._now(), last_step=totp.last_step)
        if step is None or not await totp_spend(connection, account_key, step):
            raise FactorRejectedError(REJECTED)

    async def spend_recovery_code_in_txn(self, connection: Connection, account_key: int, code: str) -> None:
        """Spend a recovery code, and tell the person.

        Raises:
            FactorRejectedError: It is none of theirs, or was used before.
        """
        hashed = code_hash(code)
        if hashed is None or not await recovery_code_spend(connection, account_key, hashed):
            raise FactorRejectedError(REJECTED)
        person = await person_in_txn(connection, account_key)
        await factor_changed_in_txn(
            connection,
            self._mailing,
            person,
            credential=None,
            action=audit.Action.RECOVERY_CODE_USED,
            change="recovery_code_used",
        )

    async def _new_codes_in_txn(
        self, connection: Connection, person: PersonAccount, credential: str | None
    ) -> list[str]:
        codes = [code_of(secrets.token_bytes(CODE_OCTETS)) for _ in range(RECOVERY_CODES)]
        hashes = [hashed for code in codes if (hashed := code_hash(code)) is not None]
        await recovery_code_replace_all(connection, person.account_key, hashes)
        action = audit.Action.RECOVERY_CODES_RENEWED
        await factor_changed_in_txn(
            connection, self._mailing, person, credential=credential, action=action, change="recovery_codes"
        )
        return codes


async def factor_changed_in_txn(
    connection: Connection,
    mailing: Mailing,
    person: PersonAccount,
    *,
    credential: str | None,
    action: audit.Action,
    change: Change,
) -> None:
    """Tell the person of a change of their factors, and record it."""
    await mailing.tell_in_txn(connection, person, change)
    await audit.record(connection, factor_draft(person.account_key, credential, action))


def factor_draft(account_key: int, credential: str | None, action: audit.Action) -> audit.Draft:
    """An entry about the person's own factors."""
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.FACTOR,
        actor=audit.Actor(audit.ActorKind.PERSON, account_key, credential=credential),
        asset=audit.Asset("account", account_key),
    )


async def overview_in_txn(connection: Connection, account_key: int) -> FactorOverview:
    """Which factors the person has."""
    return FactorOverview(
        has_totp=await totp_is_there(connection, account_key),
        recovery_codes_left=await recovery_code_count(connection, account_key),
        passkeys=[
            PasskeyView(
                base64.urlsafe_b64encode(each.credential_id).rstrip(b"=").decode(),
                each.name,
                each.is_backed_up,
                each.created_at,
                each.last_used_at,
            )
            for each in await passkey_list(connection, account_key)
        ],
    )


def methods_of(overview: FactorOverview) -> tuple[Method, ...]:
    """With what a sign-in by password goes on; empty where the password is enough."""
    if not overview.has_any:
        return ()
    there: dict[Method, bool] = {
        "passkey": bool(overview.passkeys),
        "totp": overview.has_totp,
        "recovery": overview.recovery_codes_left > 0,
    }
    return tuple(method for method, is_there in there.items() if is_there)


def _place(account_key: int, column: str) -> str:
    return f"auth.totp/{account_key}/{column}"
