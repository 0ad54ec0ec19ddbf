"""What a key of narrow scopes can do on the running platform, and what happens to it when it is ended."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.api_keys import ENTROPY_OCTETS, key_hash, key_id, mint
from tests.harness.clients import Account, join_person, new_name
from tests.harness.running import RunningPlatform
from tests.integration.router_node.wire import WampError

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
CLOSED = {"wamp.error.not_authorized", "ironflock.error.not_found"}


def narrow(platform: RunningPlatform, owner: Account, *scopes: str) -> Account:
    """The first owner again, by a key of these scopes."""
    key = mint(secrets.token_bytes(ENTROPY_OCTETS))
    with platform.database() as connection:
        connection.execute(
            "INSERT INTO auth.api_key (key_id, account_key, name, key_hash, scopes, ends_at)"
            " VALUES (%s, %s, 'test', %s, %s, %s)",
            [key_id(key), owner.call("ironflock.auth.account.me")["account_key"], key_hash(key), list(scopes),
             datetime.now(UTC) + timedelta(hours=1)],  # noqa: TID251 - ends are dates
        )  # fmt: skip
    return Account(platform, key)


def refusal(account: Account, procedure: str, **arguments: Any) -> str:
    with pytest.raises(WampError) as caught:
        account.call(procedure, **arguments)
    return str(caught.value.uri)


async def test_a_key_for_reading_changes_nothing(ironflock: RunningPlatform, owner: Account) -> None:
    device = owner.device()["device_key"]
    reader = narrow(ironflock, owner, "read")

    assert reader.call("ironflock.devices.device.show", device=device)["device_key"] == device
    for procedure, arguments in (
        ("ironflock.devices.device.rename", {"device": device, "name": new_name("x")}),
        ("ironflock.devices.device.flash", {"device": device}),
        ("ironflock.devices.device.delete", {"device": device}),
        ("ironflock.realms.project.create", {"name": new_name("x")}),
        ("ironflock.auth.account.erase", {"confirm": "owner@localhost"}),
        ("ironflock.auth.session.end_all", {}),
    ):
        assert refusal(reader, procedure, **arguments) == "wamp.error.not_authorized"


async def test_a_key_for_one_project_knows_no_other(ironflock: RunningPlatform, owner: Account) -> None:
    mine, other = owner.project(), owner.project()
    inside, outside = owner.device(mine)["device_key"], owner.device(other)["device_key"]
    key = narrow(ironflock, owner, f"all@project/{mine}")

    assert [each["project_key"] for each in key.call("ironflock.realms.project.list")["projects"]] == [mine]
    assert [each["device_key"] for each in key.call("ironflock.devices.device.list")["devices"]] == [inside]
    assert key.call("ironflock.devices.device.rename", device=inside, name=new_name("x"))["device_key"] == inside
    for procedure, arguments in (
        ("ironflock.realms.project.show", {"project": other}),
        ("ironflock.devices.device.list", {"project": other}),
        ("ironflock.devices.device.show", {"device": outside}),
        ("ironflock.devices.device.delete", {"device": outside}),
        ("ironflock.devices.device.create", {"project": other, "name": new_name("x")}),
        ("ironflock.realms.project.create", {"name": new_name("x")}),
        ("ironflock.audit.entry.list", {}),
        ("ironflock.auth.account.me", {}),
        ("ironflock.auth.api_key.list", {}),
    ):
        assert refusal(key, procedure, **arguments) in CLOSED


async def test_a_key_for_one_device_knows_no_other(ironflock: RunningPlatform, owner: Account) -> None:
    project = owner.project()
    mine, other = owner.device(project)["device_key"], owner.device(project)["device_key"]
    key = narrow(ironflock, owner, f"all@device/{mine}")

    assert [each["device_key"] for each in key.call("ironflock.devices.device.list")["devices"]] == [mine]
    assert key.call("ironflock.devices.device.show", device=mine)["device_key"] == mine
    for procedure, arguments in (
        ("ironflock.devices.device.show", {"device": other}),
        ("ironflock.devices.device.create", {"project": project, "name": new_name("x")}),
        ("ironflock.realms.project.show", {"project": project}),
    ):
        assert refusal(key, procedure, **arguments) in CLOSED


async def test_given_an_open_session_when_its_key_ends_then_it_is_cut_and_others_stay(
    ironflock: RunningPlatform, owner: Account
) -> None:
    ended, kept = narrow(ironflock, owner, "all"), narrow(ironflock, owner, "all")
    async with (
        await join_person(ironflock, ended.api_key) as cut,
        await join_person(ironflock, kept.api_key) as neighbour,
    ):
        owner.call("ironflock.auth.api_key.end", key_id=key_id(ended.api_key))

        await asyncio.wait_for(cut.closed.wait(), 5)
        assert cut.goodbye is not None
        assert cut.goodbye[2] == "ironflock.close.credential_ended"
        assert (await neighbour.call("ironflock.auth.account.me"))["account_key"]
