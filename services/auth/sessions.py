"""Sessions: opened by whoever showed who they are, found by cookie or id, ended one by one or all.

What lives from a session (refresh tokens, access tokens, sessions on the bus) looks its row up, or is cut by `ending`:
there is nothing else to end.
"""

import secrets
from hashlib import sha256
from typing import Final

from attrs import evolve

from services.auth.keyring import Keyring
from services.auth.locks import Locks
from services.auth.personal import address_in_txn
from services.auth.records.sessions import (
    USER_AGENT_LENGTH,
    NewSession,
    Session,
    SessionKind,
    Source,
)
from services.auth.store.grants import begun_end
from services.auth.store.sessions import (
    browser_upsert,
    session_end,
    session_end_all,
    session_find,
    session_find_by_cookie,
    session_insert,
    session_list,
    session_renew,
    session_touch,
)
from shared import audit
from shared.database import Connection, Database
from shared.errors import NotFoundError
from shared.identities import Person
from shared.names import clean_token

TOKEN_OCTETS: Final = 32
ID_OCTETS: Final = 16
NO_SESSION: Final = "there is no such session"


def token_hash(token: str) -> bytes:
    """What is kept of a random token: its 256 bits need no slow hash."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def source(address: str, user_agent: str) -> Source:
    """Where a request comes from, as far as it can be kept."""
    return Source(clean_token(address)[:64], clean_token(user_agent)[:USER_AGENT_LENGTH])


class Sessions:
    """The sessions of this installation."""

    def __init__(self, database: Database, keyring: Keyring, locks: Locks) -> None:
        """Keep them in `database`; addresses in the log are sealed for the person with `keyring`."""
        self._database = database
        self._keyring = keyring
        self._locks = locks

    async def open_in_txn(
        self,
        connection: Connection,
        account_key: int,
        *,
        kind: SessionKind,
        amr: list[str],
        source: Source,
        has_factor: bool,
        client_id: str | None = None,
        browser: str | None = None,
        upstream_id: str | None = None,
    ) -> NewSession:
        """A new session; `browser` is the token of a known browser, which goes on being known.

        Args:
            amr: By what the person showed who they are (RFC 8176).
            upstream_id: The sign-in by another provider from which the session lives.
        """
        session_id, cookie = f"ses_{secrets.token_hex(ID_OCTETS)}", secrets.token_urlsafe(TOKEN_OCTETS)
        browser = browser or secrets.token_urlsafe(TOKEN_OCTETS)
        await session_insert(
            connection,
            session_id=session_id,
            account_key=account_key,
            kind=kind,
            cookie_hash=token_hash(cookie) if kind == "browser" else None,
            client_id=client_id,
            amr=amr,
            has_factor=has_factor,
            source=source,
            upstream_id=upstream_id,
        )
        if kind == "browser":
            await browser_upsert(connection, token_hash(browser), account_key)
        draft = self._draft(audit.Action.SESSION_STARTED, account_key, session_id)
        said = await address_in_txn(connection, self._keyring, account_key, source.address)
        await audit.record(
            connection, evolve(draft, address=said, after={"kind": kind, "by": amr, "client": client_id})
        )
        return NewSession(await self._found_in_txn(connection, session_id), cookie, browser)

    async def find(self, cookie: str, source: Source) -> Session | None:
        """The session that `cookie` opens, if it is alive and its person is not locked out.

        Raises:
            UnavailableError: Locks cannot be looked up now.
        """
        found = await self._database.run(lambda connection: session_find_by_cookie(connection, token_hash(cookie)))
        if found is None or await self._locks.is_out(found.account_key):
            return None
        await self._database.run(lambda connection: session_touch(connection, found.session_id, source.address))
        return found

    async def get(self, session_id: str) -> Session | None:
        """The session of that id, if it is alive and its account active."""
        return await self._database.run(lambda connection: session_find(connection, session_id))

    async def of(self, account_key: int) -> list[Session]:
        """The person's sessions that are alive, the newest first."""
        return await self._database.run(lambda connection: session_list(connection, account_key))

    async def renew_in_txn(
        self, connection: Connection, session: Session, *, amr: list[str], has_factor: bool, source: Source
    ) -> NewSession:
        """The same session, its person having shown again who they are; its cookie changes, as fixation wants it."""
        cookie = secrets.token_urlsafe(TOKEN_OCTETS)
        await session_renew(
            connection, session.session_id, cookie_hash=token_hash(cookie), amr=amr, has_factor=has_factor
        )
        draft = self._draft(audit.Action.SESSION_REAUTHENTICATED, session.account_key, session.session_id)
        said = await address_in_txn(connection, self._keyring, session.account_key, source.address)
        await audit.record(connection, evolve(draft, address=said, after={"by": amr}))
        return NewSession(await self._found_in_txn(connection, session.session_id), cookie, "")

    async def end(self, person: Person, session_id: str) -> None:
        """End one of the person's own sessions.

        Raises:
            NotFoundError: They have none of that id.
        """
        is_own = session_id == person.credential
        because = "signed out" if is_own else "ended by its person"
        async with self._database.transaction() as connection:
            if not await session_end(connection, person.account_key, session_id, because):
                raise NotFoundError(NO_SESSION)
            if not is_own:  # who signs out has let a device in before on purpose; of another session nobody knows
                await begun_end(connection, None, person.account_key)
            await audit.record(connection, _ended(audit.actor_of(person), person.account_key, session_id, because))

    async def end_in_txn(
        self, connection: Connection, account_key: int, session_id: str, actor: audit.Actor, because: str
    ) -> None:
        """End one session of the account, and what was begun in it; of no effect where it has ended."""
        if await session_end(connection, account_key, session_id, because):
            await begun_end(connection, None, account_key)
            await audit.record(connection, _ended(actor, account_key, session_id, because))

    async def end_all(self, person: Person, *, but: str | None = None) -> int:
        """End every session of the person, except `but`; how many there were."""
        async with self._database.transaction() as connection:
            return await self.end_all_in_txn(
                connection, person.account_key, audit.actor_of(person), "all were ended by their person", but=but
            )

    async def end_all_in_txn(
        self, connection: Connection, account_key: int, actor: audit.Actor, because: str, *, but: str | None = None
    ) -> int:
        """End every session of the account, except `but`; how many there were."""
        ended = await session_end_all(connection, account_key, because, but)
        await begun_end(connection, None, account_key)
        for session_id in ended:
            await audit.record(connection, _ended(actor, account_key, session_id, because))
        return len(ended)

    async def _found_in_txn(self, connection: Connection, session_id: str) -> Session:
        found = await session_find(connection, session_id)
        if found is None:
            raise NotFoundError(NO_SESSION)
        return found

    def _draft(self, action: audit.Action, account_key: int, session_id: str) -> audit.Draft:
        actor = audit.Actor(audit.ActorKind.PERSON, account_key, credential=session_id)
        return audit.Draft(
            action=action,
            aspect=audit.Aspect.ACCESS,
            actor=actor,
            asset=audit.Asset("session", session_id),
        )


def _ended(actor: audit.Actor, account_key: int, session_id: str, because: str) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.SESSION_ENDED,
        aspect=audit.Aspect.ACCESS,
        actor=evolve(actor, on_behalf_of=account_key if actor.kind is not audit.ActorKind.PERSON else None),
        asset=audit.Asset("session", session_id),
        reason=because,
    )
