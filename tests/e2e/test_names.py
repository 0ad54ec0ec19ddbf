"""Names: one device of one name, whatever it is written like, and a clear refusal for what is none."""

import asyncio
from typing import Any

import pytest

from tests.harness.clients import Account, join_person, new_name
from tests.harness.commands import Flockctl
from tests.harness.running import RunningPlatform
from tests.integration.router_node.wire import Peer, WampError

pytestmark = pytest.mark.real

INVALID = "wamp.error.invalid_argument"
TAKEN = "ironflock.error.already_exists"
NOT_FOUND = "ironflock.error.not_found"
TWO_TO_53 = 2**53


async def refusal_of(peer: Peer, procedure: str, **arguments: Any) -> str:
    """The URI of the error that answers the call."""
    with pytest.raises(WampError) as caught:
        await peer.call(procedure, **arguments)
    return caught.value.uri


@pytest.mark.asyncio
async def test_of_20_devices_of_one_name_created_at_once_exactly_one_is_made(
    ironflock: RunningPlatform, owner: Account
) -> None:
    project, name = owner.project(), new_name("press")
    async with await join_person(ironflock) as one, await join_person(ironflock) as two:
        people = [one, two] * 10

        answers = await asyncio.gather(
            *(each.call("ironflock.devices.device.create", project=project, name=name) for each in people),
            return_exceptions=True,
        )

        made = [answer for answer in answers if not isinstance(answer, BaseException)]
        refused = [answer.uri for answer in answers if isinstance(answer, WampError)]
        listed = (await one.call("ironflock.devices.device.list", project=project))["devices"]
    assert len(made) == 1
    assert refused == [TAKEN] * 19
    assert [device["device_key"] for device in listed] == [made[0]["device_key"]]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("first", "twin"),
    [
        ("Press Left", "press left"),
        ("press-Straße", "PRESS-STRASSE"),
        ("press-\u00e9", "press-e\u0301"),  # composed and decomposed
        ("press 1a", "\uff50\uff52\uff45\uff53\uff53 1a"),  # full-width letters
        ("press  two", " press two\u00a0"),  # blanks
    ],
)
async def test_names_that_differ_by_case_form_or_blanks_only_are_one_name(
    ironflock: RunningPlatform, owner: Account, first: str, twin: str
) -> None:
    project = owner.project()
    async with await join_person(ironflock) as person:
        made = await person.call("ironflock.devices.device.create", project=project, name=first)

        assert await refusal_of(person, "ironflock.devices.device.create", project=project, name=twin) == TAKEN
        found = await person.call("ironflock.devices.device.show", project=project, device=twin.strip())
        assert found["device_key"] == made["device_key"]


BAD_NAMES = {
    "empty": "",
    "blank": "   ",
    "digits": "123",
    "digits-of-another-script": "\u0661\u0662\u0663",
    "line-end": "press\n1",
    "nul": "press\x001",
    "escape": "press\x1b[2J",
    "bidirectional-override": "press\u202e1",
    "zero-width-space": "press\u200b1",
    "lone-surrogate": "press\ud8001",
    "101-characters": "x" * 101,
    "10000-characters": "x" * 10_000,
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES.keys())
async def test_a_bad_name_is_refused_for_projects_and_devices_and_nothing_is_made(
    ironflock: RunningPlatform, owner: Account, name: str
) -> None:
    project = owner.project()
    async with await join_person(ironflock) as person:
        assert await refusal_of(person, "ironflock.realms.project.create", name=name) == INVALID
        assert await refusal_of(person, "ironflock.devices.device.create", project=project, name=name) == INVALID
        assert (await person.call("ironflock.devices.device.list", project=project))["devices"] == []


BAD_DEVICES: dict[str, dict[str, Any]] = {
    "zero": {"device": 0},
    "negative": {"device": -1},
    "two-to-53": {"device": TWO_TO_53},
    "two-to-200": {"device": 2**200},
    "float": {"device": 1.5},
    "integral-float": {"device": 1.0},
    "boolean": {"device": True},
    "null": {"device": None},
    "list": {"device": [1]},
    "missing": {},
    "unknown-argument": {"device": 1, "owner": 1},
}


@pytest.mark.asyncio
@pytest.mark.parametrize("arguments", BAD_DEVICES.values(), ids=BAD_DEVICES.keys())
async def test_a_device_key_that_is_none_is_refused(ironflock: RunningPlatform, arguments: dict[str, Any]) -> None:
    async with await join_person(ironflock) as person:
        for verb in ("show", "flash", "delete"):
            assert await refusal_of(person, f"ironflock.devices.device.{verb}", **arguments) == INVALID


@pytest.mark.asyncio
async def test_the_greatest_key_is_a_key_of_nothing(ironflock: RunningPlatform) -> None:
    async with await join_person(ironflock) as person:
        for verb in ("show", "flash", "delete"):
            assert await refusal_of(person, f"ironflock.devices.device.{verb}", device=TWO_TO_53 - 1) == NOT_FOUND
        assert await refusal_of(person, "ironflock.realms.project.show", project=TWO_TO_53 - 1) == NOT_FOUND


@pytest.mark.asyncio
async def test_a_name_of_a_million_characters_is_refused_or_cut_off_and_the_platform_goes_on(
    ironflock: RunningPlatform, owner: Account
) -> None:
    project = owner.project()
    async with await join_person(ironflock) as person:
        name = "x" * 1_000_000

        assert await refusal_of(person, "ironflock.devices.device.create", project=project, name=name) == INVALID
        assert (await person.call("ironflock.devices.device.list", project=project))["devices"] == []


def test_flockctl_refuses_a_name_of_a_million_characters(ironflock: RunningPlatform, flockctl: Flockctl) -> None:
    # Linux takes 128 KiB an argument: more never reaches the program.
    outcome = flockctl.run("device", "create", "--project", "x" * 130_000, "y" * 100_000)

    assert outcome.status == 1
    assert outcome.error["code"] == "invalid_argument"
    assert len(outcome.err) < 1000
    assert not ironflock.unready()


@pytest.mark.parametrize("key", ["0", "9007199254740992", "9" * 1000, "99999999999999999999"])
def test_flockctl_refuses_huge_numbers(flockctl: Flockctl, key: str) -> None:
    assert flockctl.run("device", "flash", key, "--out", "-").error["code"] == "invalid_argument"
    assert flockctl.run("device", "create", "--project", key, "press").error["code"] == "invalid_argument"
