"""What programs ask at the token endpoint and beside it: one transaction each, Authlib deciding in the middle of it.

The rows that a request names are locked before anything is decided, so that of many that bring the same code or refresh
token one succeeds, and the next finds it spent.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import unquote

from attrs import evolve
from authlib.oauth2.rfc6749 import OAuth2Error
from psycopg.errors import UniqueViolation

from services.auth.locks import Locks
from services.auth.provider.access_tokens import AccessTokens
from services.auth.provider.clients import known
from services.auth.provider.engine import Engine
from services.auth.provider.facts import Decisions, Facts, hash_of
from services.auth.provider.families import end_in_txn, replayed_in_txn, started_in_txn
from services.auth.provider.requests import Answered, Call, Request, refuse_repeated, refused
from services.auth.provider.signing_keys import Signer
from services.auth.records import provider as grants
from services.auth.rules.places import network_of
from services.auth.store.accounts import account_owner
from services.auth.store.clients import client_find
from services.auth.store.grants import (
    code_lock_in_txn,
    code_spend,
    family_insert,
    refresh_insert,
    refresh_lock_in_txn,
    refresh_spend,
    session_derive,
    subject_find,
    subject_find_own,
    waiting_count,
    waiting_insert,
    waiting_lock_in_txn,
    waiting_open,
    waiting_poll,
    waiting_subject,
)
from shared.database import Connection, Database
from shared.errors import OverLimitError

Decide = Callable[[Engine, Request], Answered]
Gather = Callable[[Connection, Call, Facts], Awaitable[None]]
ATTEMPTS: Final = 3
MAX_WAITING: Final = 10_000
MAX_WAITING_FROM_ONE_PLACE: Final = 100


class Exchange:
    """The endpoints for programs."""

    def __init__(self, database: Database, access_tokens: AccessTokens, locks: Locks, now: Callable[[], float]) -> None:
        """Decide over `database`; `access_tokens` verify, `now` gives Unix seconds."""
        self._database = database
        self._locks = locks
        self._access_tokens = access_tokens
        self._now = now

    async def token(self, call: Call) -> Answered:
        """The token endpoint (RFC 6749 section 3.2); whoever is locked out gets what one gets who cannot be used.

        Raises:
            UnavailableError: Locks cannot be looked up now; nothing is spent.
        """
        await self._locks.settle()
        return await self._decided(
            call, lambda engine, request: engine.create_token_response(request), self._gather_grant_in_txn
        )

    async def revoke(self, call: Call) -> Answered:
        """The revocation endpoint (RFC 7009); of somebody who is locked out, too."""
        return await self._decided(
            call,
            lambda engine, request: engine.create_endpoint_response("revocation", request),
            self._gather_token_in_txn,
        )

    async def introspect(self, call: Call) -> Answered:
        """The introspection endpoint (RFC 7662). Errors as `token`."""
        await self._locks.settle()
        return await self._decided(
            call,
            lambda engine, request: engine.create_endpoint_response("introspection", request),
            self._gather_unlocked_token_in_txn,
        )

    async def begin_device(self, call: Call) -> Answered:
        """The device authorization endpoint (RFC 8628); a user code that is taken is drawn again."""
        for attempt in range(ATTEMPTS):
            try:
                return await self._decided(
                    call, lambda engine, request: engine.create_endpoint_response("device_authorization", request)
                )
            except UniqueViolation:
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    async def _decided(self, call: Call, decide: Decide, gather: Gather | None = None) -> Answered:
        """The answer of an endpoint; `gather` looks up what a request there may name beside its client."""
        try:
            refuse_repeated(call)
        except OAuth2Error as error:
            return refused(error)
        call = evolve(call, authorization=call.authorization if _basic(call) else "")
        signer = await self._access_tokens.signer()
        async with self._database.transaction() as connection:
            facts = await self._facts_in_txn(connection, call, signer)
            if gather is not None and facts.client is not None:
                await gather(connection, call, facts)
            answer = decide(Engine(facts), Request(call))
            await _written_in_txn(connection, call, facts, is_granted=answer.status == 200)  # noqa: PLR2004 - OK
        return answer

    async def _facts_in_txn(self, connection: Connection, call: Call, signer: Signer) -> Facts:
        """The client that the request names."""
        tokens = self._access_tokens
        facts = Facts(issuer=tokens.issuer, audience=tokens.audience, signer=signer, now=self._now())
        client = await client_find(connection, (_basic(call) or (call.one("client_id"), ""))[0])
        facts.client = None if client is None else known(client)
        return facts

    async def _gather_token_in_txn(self, connection: Connection, call: Call, facts: Facts) -> None:
        tokens, text = self._access_tokens, call.one("token")
        facts.refresh = await refresh_lock_in_txn(connection, hash_of(text))
        facts.access = await tokens.verify_in_txn(connection, facts.signer, text, tokens.audience)

    async def _gather_unlocked_token_in_txn(self, connection: Connection, call: Call, facts: Facts) -> None:
        await self._gather_token_in_txn(connection, call, facts)
        await self._forget_locked_in_txn(connection, facts)

    async def _forget_locked_in_txn(self, connection: Connection, facts: Facts) -> None:
        """Nobody who is locked out is there, and nothing of theirs is alive; it is all kept, and may be again."""
        known = facts.subject or facts.access or facts.refresh
        if known is None:
            return
        if await self._locks.is_out(known.account_key, await account_owner(connection, known.account_key)):
            facts.subject = facts.access = None
            facts.refresh = None if facts.refresh is None else evolve(facts.refresh, is_alive=False)

    async def _gather_grant_in_txn(self, connection: Connection, call: Call, facts: Facts) -> None:
        await self._gather_named_in_txn(connection, call, facts)
        await self._forget_locked_in_txn(connection, facts)

    async def _gather_named_in_txn(self, connection: Connection, call: Call, facts: Facts) -> None:
        match call.one("grant_type"):
            case grants.AUTHORIZATION_CODE:
                facts.code = await code_lock_in_txn(connection, hash_of(call.one("code")))
                facts.subject = await subject_find(connection, facts.code.session_id) if facts.code else None
            case grants.REFRESH_TOKEN:
                facts.refresh = await refresh_lock_in_txn(connection, hash_of(call.one("refresh_token")))
                facts.subject = await subject_find(connection, facts.refresh.session_id) if facts.refresh else None
            case grants.DEVICE_CODE:
                await self._gather_device_in_txn(connection, call, facts)
            case grants.CLIENT_CREDENTIALS:
                account_key = facts.client.client.account_key if facts.client else None
                facts.subject = await subject_find_own(connection, account_key or 0)
            case _:
                pass

    async def _gather_device_in_txn(self, connection: Connection, call: Call, facts: Facts) -> None:
        waiting = await waiting_lock_in_txn(connection, hash_of(call.one("device_code")))
        facts.waiting = waiting
        if waiting is not None and waiting.decision == "approved" and waiting.account_key is not None:
            facts.subject = await waiting_subject(connection, waiting)


async def _written_in_txn(connection: Connection, call: Call, facts: Facts, *, is_granted: bool) -> None:
    """What was decided. Of a refusal only what it says of theft and of haste is kept."""
    decisions = facts.decisions
    if decisions.replayed is not None:
        await replayed_in_txn(connection, decisions.replayed)
    if decisions.slower_by_s is not None:
        await waiting_poll(connection, hash_of(call.one("device_code")), decisions.slower_by_s)
    if not is_granted:
        return
    if decisions.ended_family is not None:
        await end_in_txn(connection, decisions.ended_family, "revoked by its client")
    if decisions.new_device is not None:
        await _device_in_txn(connection, call, decisions.new_device)
    if facts.subject is not None and facts.client is not None:
        await _issued_in_txn(connection, call, facts, decisions)


async def _issued_in_txn(connection: Connection, call: Call, facts: Facts, decisions: Decisions) -> None:
    subject, client = facts.subject, facts.client
    if subject is None or client is None:
        return
    session_id = decisions.new_session or subject.session_id
    if decisions.opened_device and session_id is not None:
        await waiting_open(connection, hash_of(call.one("device_code")), session_id)
    elif decisions.new_session is not None and subject.session_id is not None:
        await session_derive(connection, decisions.new_session, client.get_client_id(), of=subject.session_id)
    family_id = decisions.new_family or (facts.refresh.family_id if facts.refresh else None)
    if decisions.new_family is not None and session_id is not None:
        await family_insert(
            connection,
            decisions.new_family,
            session_id=session_id,
            account_key=subject.account_key,
            client_id=client.get_client_id(),
            scopes=list(decisions.scopes),
        )
        await started_in_txn(connection, subject, client.get_client_id(), decisions.new_session)
    if decisions.spent_code:
        await code_spend(connection, hash_of(call.one("code")), decisions.new_family)
    if decisions.spent_refresh:
        await refresh_spend(connection, hash_of(call.one("refresh_token")))
    if decisions.new_refresh is not None and family_id is not None:
        await refresh_insert(connection, hash_of(decisions.new_refresh), family_id)


async def _device_in_txn(connection: Connection, call: Call, device: dict[str, Any]) -> None:
    """A device begins to wait; anybody may ask for that, so that it is bounded, in all and from one place."""
    address = call.source.address
    waiting, from_there = await waiting_count(connection, address, network_of(address))
    if waiting >= MAX_WAITING or from_there >= MAX_WAITING_FROM_ONE_PLACE:
        raise OverLimitError("too many devices wait already; try again in some minutes")
    await waiting_insert(
        connection,
        hash_of(device["device_code"]),
        device["user_code"].replace("-", ""),
        client_id=device["client_id"],
        scopes=device["scopes"],
        address=address,
        user_agent=call.source.user_agent,
    )


def _basic(call: Call) -> tuple[str, str] | None:
    """Id and secret of HTTP Basic (RFC 6749 section 2.3.1); None where it is not there, or malformed."""
    scheme, _, text = call.authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, colon, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    named = unquote(client_id)
    return (named, unquote(secret)) if colon and "\0" not in named and named.isprintable() else None
