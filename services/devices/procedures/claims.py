"""How a device goes to another project: whoever holds it makes it claimable, whoever has the code takes it, once."""

import asyncio
import base64
import secrets
from typing import Final

from services.devices.assembly import Parts
from services.devices.lifecycle import NO_CLAIM
from services.devices.reaching import NO_DEVICE
from services.devices.records.devices import Claimable, ClaimDevice, Device, Flashed, SetClaimable
from services.devices.rules import devices as rules
from services.devices.store import devices as store
from shared import audit
from shared.allowance import Allowance
from shared.errors import NotFoundError, OverLimitError
from shared.identities import Person
from shared.names import clean_name
from shared.procedures import for_people
from shared.rights.records import LockKind, Rule

CODE_OCTETS: Final = 20
"""160 bits, 32 letters and digits of base32 (RFC 4648)."""
ATTEMPTS: Final = 10
WINDOW_S: Final = 3_600.0
TOO_OFTEN: Final = "too many codes that claim nothing; try again within the hour"


class ClaimProcedures:
    """Devices' procedures for people who hand devices over."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._projects = parts.projects
        self._reaching = parts.reaching
        self._lifecycle = parts.lifecycle
        self._files = parts.files
        self._rights = parts.rights
        self._allowance = Allowance(ATTEMPTS, WINDOW_S)

    @for_people("ironflock.devices.device.set_claimable", SetClaimable)
    async def device_set_claimable(self, person: Person, request: SetClaimable) -> Claimable:
        """Let the device be claimed by a new code, or not at all (`GRANT` and `DELETE`); an old code ends."""
        meant = await self._reaching.device(person, "GRANT", request.device, request.project)
        await self._reaching.device(person, "DELETE", meant.device_key, None)  # whoever claims it takes it away
        code = _new_code() if request.is_claimable else None
        async with self._database.transaction() as connection:
            device = await store.device_lock_in_txn(connection, meant.device_key)
            if device is None or device.project_key != meant.project_key:
                raise NotFoundError(NO_DEVICE)
            await store.device_set_claim(
                connection,
                device.device_key,
                None if code is None else rules.claim_digest(code),
                person.account_key,
            )
            await audit.record(connection, _set(person, device, is_claimable=request.is_claimable))
        return Claimable(device=rules.public(device), is_claimable=request.is_claimable, claim_code=code)

    @for_people("ironflock.devices.device.claim", ClaimDevice, is_narrowing=True)
    async def device_claim(self, person: Person, request: ClaimDevice) -> Flashed:
        """Take the device that the code opens into a project (flag `CREATE_DEVICES`): new secrets, no old grants."""
        name = None if request.name is None else clean_name(request.name, what="name")
        project = await self._reaching.project(person, "CREATE_DEVICES", request.project)
        owner_name = await self._projects.owner_name(project)
        if not self._allowance.take(person.account_key, asyncio.get_running_loop().time()):
            raise OverLimitError(TOO_OFTEN)
        settings = await self._files.settings(project.project_key)
        claims_nothing = False
        try:
            await self._refuse_old(request.code)
            device, secret = await self._lifecycle.claim(person, request.code, project, owner_name, name)
        except NotFoundError:
            claims_nothing = True
            raise
        finally:
            if not claims_nothing:
                self._allowance.give_back(person.account_key)
        return Flashed(device=rules.public(device), flock=rules.flock(device, secret, settings))

    async def _refuse_old(self, code: str) -> None:
        """Let pass a code of somebody who might still make one; what locks stand on the device is looked at later.

        Raises:
            NotFoundError: It opens nothing (any more).
        """
        digest = rules.claim_digest(code)
        async with self._database.transaction() as connection:
            found = await store.device_find_by_claim(connection, digest)
        if found is None:
            raise NotFoundError(NO_CLAIM)
        device, account_key = found
        place = rules.domain(device.project_key)
        is_locked_out = self._rights.find_lock(LockKind.PERSON, account_key) is not None
        for flag in ("GRANT", "DELETE"):
            decision = await self._rights.decide(account_key, flag, rules.asset(device), place)
            if is_locked_out or not (decision.allowed or decision.rule is Rule.LOCKED):
                raise NotFoundError(NO_CLAIM)


def _new_code() -> str:
    text = base64.b32encode(secrets.token_bytes(CODE_OCTETS)).decode("ascii")
    return "-".join(text[first : first + 4] for first in range(0, len(text), 4))


def _set(person: Person, device: Device, *, is_claimable: bool) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.DEVICE_CLAIMABLE_SET,
        aspect=audit.Aspect.ACCESS,
        actor=audit.actor_of(person),
        asset=audit.Asset("device", device.device_key),
        project_key=device.project_key,
        before={"is_claimable": device.is_claimable},
        after={"is_claimable": is_claimable},
        session=person.session or None,
    )
