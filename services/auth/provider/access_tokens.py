"""Access tokens that come back: verified by signature, and by the rows that they live from."""

from collections.abc import Callable

from attrs import evolve

from services.auth.locks import Locks
from services.auth.provider.facts import AccessToken
from services.auth.provider.signing_keys import Signer, SigningKeys
from services.auth.provider.tokens import is_shaped, read_access_token
from services.auth.store.accounts import account_owner
from services.auth.store.grants import access_credential
from shared.database import Connection, Database


class AccessTokens:
    """The access tokens of this installation."""

    def __init__(
        self,
        database: Database,
        keys: SigningKeys,
        locks: Locks,
        now: Callable[[], float],
        *,
        issuer: str,
        audience: str,
    ) -> None:
        """Look rows up in `database`; `now` gives Unix seconds; tokens say `issuer`, and `audience` (the platform)."""
        self._database = database
        self._locks = locks
        self._keys = keys
        self._now = now
        self.issuer = issuer
        self.audience = audience

    async def signer(self) -> Signer:
        """What signs and verifies now."""
        return await self._keys.signer()

    async def verify(self, text: str) -> AccessToken | None:
        """The access token that `text` is, if it counts for the platform; None for whatever reason it does not.

        Raises:
            UnavailableError: It would count, and locks cannot be looked up now.
        """
        if not is_shaped(text):
            return None
        signer = await self._keys.signer()
        token = await self._database.run(lambda connection: self.verify_in_txn(connection, signer, text, self.audience))
        if token is None:
            return None
        return None if await self._locks.is_out(token.account_key, await self._owner_of(token)) else token

    async def _owner_of(self, token: AccessToken) -> int | None:
        """Whose service account its client acts as; a session is always a person's."""
        if token.session_id is not None:
            return None
        return await self._database.run(lambda connection: account_owner(connection, token.account_key))

    async def verify_in_txn(
        self, connection: Connection, signer: Signer, text: str, audience: str
    ) -> AccessToken | None:
        """As `verify`, in a transaction, whatever locks stand."""
        token = read_access_token(signer, text, issuer=self.issuer, audience=audience, now=self._now())
        if token is None:
            return None
        credential = await access_credential(
            connection,
            account_key=token.account_key,
            session_id=token.session_id,
            family_id=token.family_id,
            client_id=token.client_id,
        )
        return None if credential is None else evolve(token, credential=credential)
