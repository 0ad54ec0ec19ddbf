"""After a new data key everything is sealed anew, and still opens."""

from uuid import uuid4

import pytest

from services.auth import resealing
from services.auth.keyring import Keyring
from services.auth.records.devices import DeviceKey, FindDeviceCredential, IssueDeviceCredential
from services.auth.signing import Signing
from shared.database import Database
from shared.identities import ServiceIdentity
from tests.integration.auth.material import NOW, masters
from tests.integration.auth.surface import Procedures
from tests.integration.database import Postgres

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
DEVICES, ROUTER = ServiceIdentity("devices", 1), ServiceIdentity("router", 1)
DEVICE_COUNT = 7


async def test_every_value_is_resealed_once_and_opens(
    auth_database: Database,
    procedures: Procedures,
    signing: Signing,
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resealing, "BATCH", 4)
    secrets = {}
    for key in range(1, DEVICE_COUNT + 1):
        secrets[key] = await procedures.device_credential_issue(
            DEVICES, IssueDeviceCredential(uuid4(), key, 3, uuid4())
        )
    private = (await signing.key()).as_dict(private=True)
    postgres.run("UPDATE auth.data_key SET created_at = now() - interval '400 days'")
    newer = Keyring(masters("m1"), auth_database, masters("p1"))

    count = await resealing.reseal_everything(auth_database, newer)

    assert count == 2 * DEVICE_COUNT + 1
    assert await resealing.reseal_everything(auth_database, newer) == 0
    postgres.run("DELETE FROM auth.data_key WHERE created_at < now() - interval '300 days'")
    restarted = Keyring(masters("m1"), auth_database, masters("p1"))
    restarted_signing = Signing(auth_database, restarted, lambda: NOW)
    afterwards = Procedures(
        auth_database, restarted, restarted_signing, procedures._erasure, procedures._locks, now=lambda: NOW
    )
    for key, fresh in secrets.items():
        found = await afterwards.device_credential_find(ROUTER, FindDeviceCredential(f"3-{key}"))
        assert found is not None
        assert found.secret == fresh.secret
        assert await afterwards.app_cred_key_find(DEVICES, DeviceKey(key)) == fresh.app_cred_key
    assert (await Signing(auth_database, restarted, lambda: NOW).key()).as_dict(private=True) == private


async def test_a_process_that_started_before_still_opens_what_was_resealed(
    auth_database: Database, procedures: Procedures, postgres: Postgres
) -> None:
    issued = await procedures.device_credential_issue(DEVICES, IssueDeviceCredential(uuid4(), 7, 3, uuid4()))
    postgres.run("UPDATE auth.data_key SET created_at = now() - interval '400 days'")
    await resealing.reseal_everything(auth_database, Keyring(masters("m1"), auth_database, masters("p1")))

    found = await procedures.device_credential_find(ROUTER, FindDeviceCredential("3-7"))

    assert found is not None
    assert found.secret == issued.secret
