"""Tokens by which devices log in to the registry of images; claims of the Docker Registry token specification."""

import secrets
from collections.abc import Callable
from typing import Any, Final

from services.auth.locks import Locks
from services.auth.procedures.callers import serve_only
from services.auth.provider.signing_keys import SigningKeys
from services.auth.records.devices import DeviceCredential
from services.auth.records.registry_tokens import LOGIN, LOGIN_TYPE, IssueRegistryToken
from services.auth.store.devices import device_credential_find
from shared.database import Database
from shared.errors import NotFoundError
from shared.identities import ServiceIdentity, device_authid
from shared.procedures import for_services

LIFE_S: Final = 15 * 60
EARLY_S: Final = 60
"""Before now, for a registry whose clock is behind."""
ID_OCTETS: Final = 16
NO_CREDENTIAL: Final = "this device has no credential, or is locked"


class RegistryTokenProcedures:
    """Auth's procedure about the registry of images."""

    def __init__(
        self, database: Database, locks: Locks, keys: SigningKeys, now: Callable[[], float], *, issuer: str
    ) -> None:
        """Sign with `keys`, as `issuer`; `now` gives Unix seconds."""
        self._database = database
        self._locks = locks
        self._keys = keys
        self._now = now
        self._issuer = issuer

    @for_services("ironflock.auth.registry_token.issue", IssueRegistryToken)
    async def registry_token_issue(self, service: ServiceIdentity, request: IssueRegistryToken) -> str:
        """A token for a device, which may pull from these repositories, for devices alone.

        Raises:
            NotFoundError: The device has no credential, or is locked.
            UnavailableError: The keys that sign cannot be had now.
        """
        serve_only(service, "devices")
        found = await self._database.run(lambda connection: device_credential_find(connection, request.device_key))
        if found is None or found.state != "active":
            raise NotFoundError(NO_CREDENTIAL)
        if self._locks.is_device_out(found.project_key, found.device_key):
            raise NotFoundError(NO_CREDENTIAL)
        signer = await self._keys.signer()
        return signer.sign(self._claims(found, request.repositories), LOGIN_TYPE)

    def _claims(self, device: DeviceCredential, repositories: list[str]) -> dict[str, Any]:
        now = int(self._now())
        return {
            "iss": self._issuer,
            "sub": device_authid(device.project_key, device.device_key),
            "aud": LOGIN,
            "iat": now,
            "nbf": now - EARLY_S,
            "exp": now + LIFE_S,
            "jti": secrets.token_hex(ID_OCTETS),
            "access": [{"type": "repository", "name": name, "actions": ["pull"]} for name in repositories],
        }
