"""The WAMP surface of devices' credentials: for the router, and for flashing."""

import secrets
from hashlib import sha256
from typing import Final

from services.auth.cells import cell_for
from services.auth.keyring import Keyring
from services.auth.locks import Locks
from services.auth.procedures.callers import serve_only
from services.auth.records.devices import (
    DeviceCredential,
    DeviceKey,
    DeviceSecrets,
    EndedSecrets,
    FindByProof,
    FindDeviceCredential,
    FoundDeviceCredential,
    IssueDeviceCredential,
    MoveDeviceCredential,
    ProvenDevice,
)
from services.auth.rules.devices import (
    SECRET_OCTETS,
    belongs,
    device_key_of,
    device_secrets,
    secret_context,
    tunnel_proof_digest,
)
from services.auth.store.devices import (
    device_credential_end,
    device_credential_find,
    device_credential_find_by_proof,
    device_credential_lock_in_txn,
    device_credential_move,
    device_credential_set_app_cred_key,
    device_credential_upsert,
)
from shared import audit
from shared.database import Database
from shared.errors import NotFoundError
from shared.identities import ServiceIdentity
from shared.procedures import for_services
from shared.project_cells import ProjectCells

NO_CREDENTIAL: Final = "this device has no credential; flash it"


class CredentialProcedures:
    """Devices' credentials; each procedure names the callers that it serves, whatever the router let through."""

    def __init__(self, database: Database, keyring: Keyring, locks: Locks, cells: ProjectCells) -> None:
        """Serve from `database`; `cells` knows where projects are."""
        self._database = database
        self._cells = cells
        self._keyring = keyring
        self._locks = locks

    @for_services("ironflock.auth.device_credential.find", FindDeviceCredential)
    async def device_credential_find(
        self, service: ServiceIdentity, request: FindDeviceCredential
    ) -> FoundDeviceCredential | None:
        """The secret of the device that wants to join as `authid`, for the router alone; None where there is none.

        None too while a lock stands on the device or its project: an agent that reads that its secret has ended exits
        for good, one that reads that its proof is wrong tries again. Where it is not known in which cell its project
        is, the router is told all the rest, and asks once more for who has proved the secret (`cells.py`).
        """
        serve_only(service, "router")
        device_key = device_key_of(request.authid)
        if device_key is None:
            return None
        credential = await self._database.run(lambda connection: device_credential_find(connection, device_key))
        if credential is None or not belongs(credential, request.authid):
            return None
        if self._locks.is_device_out(credential.project_key, device_key):
            return None
        return FoundDeviceCredential(
            state=credential.state,
            secret=await self._keyring.open(credential.secret, secret_context(device_key)),
            device_key=device_key,
            project_key=credential.project_key,
            serial_number=credential.serial_number,
            flash_id=credential.flash_id,
            cell=await cell_for(self._cells, credential.project_key, is_proven=request.is_proven),
        )

    @for_services("ironflock.auth.device_credential.find_by_proof", FindByProof)
    async def device_credential_find_by_proof(
        self, service: ServiceIdentity, request: FindByProof
    ) -> ProvenDevice | None:
        """Whose frpc it is, for tunnels alone; None where the proof opens nothing (decision 27)."""
        serve_only(service, "tunnels")
        digest = bytes.fromhex(request.digest)
        found = await self._database.run(lambda connection: device_credential_find_by_proof(connection, digest))
        if found is None or found.state != "active":
            return None
        if self._locks.is_device_out(found.project_key, found.device_key):
            return None
        return ProvenDevice(found.device_key, found.project_key, found.serial_number, found.flash_id)

    @for_services("ironflock.auth.device_credential.issue", IssueDeviceCredential)
    async def device_credential_issue(self, service: ServiceIdentity, request: IssueDeviceCredential) -> DeviceSecrets:
        """New secrets for a device; the old ones no longer open from the moment this commits (decision 4)."""
        serve_only(service, "devices")
        fresh = device_secrets(secrets.token_bytes(2 * SECRET_OCTETS))
        credential = await self._sealed(request, fresh)
        async with self._database.transaction() as connection:
            await device_credential_lock_in_txn(connection, request.device_key)
            stored = await device_credential_find(connection, request.device_key)
            if stored is not None and stored.flash_id == request.flash_id:
                return await self._opened(stored)
            await device_credential_upsert(connection, credential)
            await audit.record(connection, _about_credential(service, audit.Action.DEVICE_CREDENTIAL_ISSUED, request))
        return fresh

    @for_services("ironflock.auth.device_credential.move", MoveDeviceCredential)
    async def device_credential_move(self, service: ServiceIdentity, request: MoveDeviceCredential) -> None:
        """The device is in another project, with the secret that it has: what it cannot learn anew stays.

        Its apps' credentials end with the project. A device that was flashed meanwhile, or moved again, is left alone.
        """
        serve_only(service, "devices")
        fresh = device_secrets(secrets.token_bytes(2 * SECRET_OCTETS)).app_cred_key
        sealed = await self._keyring.seal(fresh, app_cred_key_of(request.device_key))
        async with self._database.transaction() as connection:
            await device_credential_lock_in_txn(connection, request.device_key)
            stored = await device_credential_find(connection, request.device_key)
            if stored is None or stored.state != "active" or stored.flash_id != request.flash_id:
                return
            if stored.move_revision >= request.revision:
                return
            await device_credential_move(
                connection, request.device_key, request.project_key, request.moved_from, revision=request.revision
            )
            if stored.project_key != request.project_key:
                await device_credential_set_app_cred_key(connection, request.device_key, sealed)
                await audit.record(
                    connection, _about_credential(service, audit.Action.DEVICE_CREDENTIAL_MOVED, request)
                )

    @for_services("ironflock.auth.device_credential.end", DeviceKey)
    async def device_credential_end(self, service: ServiceIdentity, request: DeviceKey) -> EndedSecrets | None:
        """End a device's secrets for good, and say which they were; repeating it changes nothing."""
        serve_only(service, "devices")
        async with self._database.transaction() as connection:
            await device_credential_lock_in_txn(connection, request.device_key)
            if await device_credential_end(connection, request.device_key) is not None:
                action = audit.Action.DEVICE_CREDENTIAL_ENDED
                await audit.record(connection, _about_credential(service, action, request))
            ended = await device_credential_find(connection, request.device_key)
        if ended is None:
            return None
        secret = (await self._opened(ended)).secret
        return EndedSecrets(sha256(secret.encode()).hexdigest(), ended.tunnel_proof_digest.hex())

    @for_services("ironflock.auth.app_cred_key.find", DeviceKey)
    async def app_cred_key_find(self, service: ServiceIdentity, request: DeviceKey) -> str:
        """The key from which the device derives its apps' credentials."""
        serve_only(service, "devices")
        key = request.device_key
        credential = await self._database.run(lambda connection: device_credential_find(connection, key))
        if credential is None or credential.state != "active":
            raise NotFoundError(NO_CREDENTIAL)
        return (await self._opened(credential)).app_cred_key

    async def _sealed(self, request: IssueDeviceCredential, fresh: DeviceSecrets) -> DeviceCredential:
        return DeviceCredential(
            device_key=request.device_key,
            project_key=request.project_key,
            serial_number=request.serial_number,
            state="active",
            flash_id=request.flash_id,
            secret=await self._keyring.seal(fresh.secret, secret_context(request.device_key)),
            app_cred_key=await self._keyring.seal(fresh.app_cred_key, app_cred_key_of(request.device_key)),
            tunnel_proof_digest=tunnel_proof_digest(fresh.secret, request.device_key),
        )

    async def _opened(self, stored: DeviceCredential) -> DeviceSecrets:
        return DeviceSecrets(
            secret=await self._keyring.open(stored.secret, secret_context(stored.device_key)),
            app_cred_key=await self._keyring.open(stored.app_cred_key, app_cred_key_of(stored.device_key)),
        )


def app_cred_key_of(device_key: int) -> str:
    """What the key of a device's apps' credentials is sealed for."""
    return f"auth.device_credential/{device_key}/app_cred_key"


def _about_credential(
    service: ServiceIdentity, action: audit.Action, request: IssueDeviceCredential | MoveDeviceCredential | DeviceKey
) -> audit.Draft:
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.CREDENTIAL,
        actor=audit.actor_of(service),
        asset=audit.Asset("device", request.device_key),
        project_key=None if isinstance(request, DeviceKey) else request.project_key,
        request_id=None if isinstance(request, DeviceKey) else str(request.flash_id),
    )
