"""Registered clients, by whoever has `GRANT` on the installation; and the installation's own."""

import hmac
from datetime import UTC, datetime
from typing import Final

from attrs import asdict, evolve
from psycopg.errors import UniqueViolation

from services.auth.installation import Installation
from services.auth.provider.facts import KnownClient, hash_of
from services.auth.provider.families import end_of_client_in_txn
from services.auth.provider.ids import new_client_id, new_token
from services.auth.records.provider import (
    AUTHORIZATION_CODE,
    DEVICE_CODE,
    FLOCKCTL,
    REFRESH_TOKEN,
    TUNNELS,
    Client,
    ClientView,
    RegisterClient,
    RegisteredClient,
)
from services.auth.rules.openid import checked
from services.auth.store.api_keys import service_account_lock_in_txn
from services.auth.store.clients import client_end, client_find, client_insert, client_list, client_move
from shared import audit
from shared.database import Database
from shared.errors import AlreadyExistsError, ConflictError, NotFoundError
from shared.identities import Person
from shared.names import canonical_name, clean_name

NO_CLIENT: Final = "there is no such client"
PUBLIC: Final = "none"
FLOCKCTL_SCOPES: Final = ["openid", "profile", "email", "offline_access", "all", "read"]


class Clients:
    """The clients of this installation."""

    def __init__(self, database: Database, installation: Installation, tunnels: str | None = None) -> None:
        """Keep them in `database`; `tunnels` is the origin of the domain of tunnels, where there is one."""
        self._database = database
        self._installation = installation
        self._tunnels = tunnels

    async def register(self, person: Person, request: RegisterClient) -> RegisteredClient:
        """A new client; its secret is in clear this once.

        Raises:
            NotAuthorizedError: The caller has not `GRANT` on the installation.
            InvalidArgumentError, AlreadyExistsError: It makes no sense; there is a client of that name.
            NotFoundError: They own no such service account.
            UnavailableError: Rights cannot be looked up now.
        """
        request = evolve(checked(request), name=clean_name(request.name, what="name"))
        secret = None if request.token_endpoint_auth_method == PUBLIC else new_token()
        client = _client(new_client_id(), request, secret)
        await self._installation.require(person, "GRANT")
        try:
            async with self._database.transaction() as connection:
                if request.account_key is not None and not await service_account_lock_in_txn(
                    connection, person.account_key, request.account_key
                ):
                    raise NotFoundError("there is no such service account")
                await client_insert(connection, client, canonical_name(client.name))
                await audit.record(connection, _about(audit.Action.CLIENT_REGISTERED, person, client.client_id))
        except UniqueViolation as error:
            raise AlreadyExistsError(f"there is a client {client.name!r} already", name=client.name) from error
        return RegisteredClient(client.client_id, secret)

    async def list_all(self, person: Person) -> list[ClientView]:
        """Every client.

        Raises:
            NotAuthorizedError, UnavailableError: As `register`.
        """
        await self._installation.require(person, "GRANT")
        async with self._database.transaction() as connection:
            return await client_list(connection)

    async def end(self, person: Person, client_id: str) -> None:
        """The client, and every token that it has, open nothing any more.

        Raises:
            NotAuthorizedError, UnavailableError: As `register`.
            NotFoundError, ConflictError: There is no such client; it is the installation's own.
        """
        await self._installation.require(person, "GRANT")
        async with self._database.transaction() as connection:
            if client_id in (FLOCKCTL, TUNNELS):
                raise ConflictError("this is a client of the installation itself")
            if "\0" in client_id or not await client_end(connection, client_id):
                raise NotFoundError(NO_CLIENT)
            await end_of_client_in_txn(connection, client_id, None, "its client was ended")
            await audit.record(connection, _about(audit.Action.CLIENT_ENDED, person, client_id))

    async def ensure_own(self) -> None:
        """The installation's own clients, where they are not there yet: flockctl's, and that of tunnels' visitors."""
        await self._ensure(
            FLOCKCTL,
            RegisterClient(
                name="flockctl",
                grant_types=[DEVICE_CODE, REFRESH_TOKEN],
                scopes=FLOCKCTL_SCOPES,
                token_endpoint_auth_method=PUBLIC,
                is_first_party=True,
            ),
        )
        if self._tunnels is not None:
            await self._ensure(
                TUNNELS,
                RegisterClient(
                    name="IronFlock tunnels",
                    redirect_uris=[f"{self._tunnels}/sign-in/done"],
                    grant_types=[AUTHORIZATION_CODE],
                    scopes=["openid", "all"],
                    token_endpoint_auth_method=PUBLIC,
                    is_first_party=True,
                ),
            )

    async def _ensure(self, client_id: str, wanted: RegisterClient) -> None:
        actor = audit.Actor(audit.ActorKind.SERVICE, "auth")
        draft = evolve(_about(audit.Action.CLIENT_REGISTERED, None, client_id), actor=actor)
        async with self._database.transaction() as connection:
            if await client_find(connection, client_id) is None:
                await client_insert(connection, _client(client_id, wanted, None), canonical_name(wanted.name))
            elif not await client_move(connection, client_id, wanted.redirect_uris):
                return
            await audit.record(connection, draft)


def known(client: Client) -> KnownClient:
    """The client as Authlib asks it; its secret is compared in constant time."""

    def is_secret(text: str) -> bool:
        return client.secret_hash is not None and hmac.compare_digest(hash_of(text), client.secret_hash)

    return KnownClient(client, is_secret)


def _client(client_id: str, request: RegisterClient, secret: str | None) -> Client:
    return Client(
        client_id=client_id,
        secret_hash=None if secret is None else hash_of(secret),
        created_at=datetime.fromtimestamp(0, UTC),
        ended_at=None,
        **asdict(request),
    )


def _about(action: audit.Action, person: Person | None, client_id: str) -> audit.Draft:
    actor = audit.Actor(audit.ActorKind.SERVICE, "auth") if person is None else audit.actor_of(person)
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.EXISTENCE,
        actor=actor,
        asset=audit.Asset("client", client_id),
        session=(person.session or None) if person else None,
    )
