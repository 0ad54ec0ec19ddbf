"""What a decision point requires of people, and what its log says of decisions."""

import pytest
from structlog.testing import capture_logs

from shared.errors import NotAuthorizedError, NotFoundError
from shared.identities import Person
from shared.rights.records import (
    Decision,
    Rule,
)
from shared.scopes import NOTHING, Scopes, scopes_of
from tests.unit.shared.rights.world import ABSENT, ANNA, BERTA, CARLA, PLANT, PRESS, World

pytestmark = pytest.mark.asyncio


# what is required


def person(account_key: int, scopes: Scopes | None = None) -> Person:
    return Person(account_key, 11) if scopes is None else Person(account_key, 11, "key", scopes)


async def required(world: World, who: Person, flag: str) -> Decision:
    return await world.rights.require(who, flag, PRESS, PLANT, absent=ABSENT)


async def test_whoever_lacks_read_too_learns_nothing_and_whoever_has_it_learns_what_is_missing(world: World) -> None:
    world.grant(BERTA, "READ")
    assert (await required(world, person(ANNA), "MAINTAIN")).rule is Rule.OWNER
    assert (await required(world, person(BERTA), "READ")).grant_key == 1

    with pytest.raises(NotAuthorizedError, match="MAINTAIN on device 70") as told:
        await required(world, person(BERTA), "MAINTAIN")
    for stranger, flag in ((CARLA, "READ"), (CARLA, "MAINTAIN"), (CARLA, "NONSENSE")):
        with pytest.raises(NotFoundError, match=ABSENT):
            await required(world, person(stranger), flag)

    said = told.value.details()
    assert (said["flag"], said["asset"], said["rule"]) == ("MAINTAIN", {"kind": "device", "key": 70}, "no_grant")


@pytest.mark.parametrize(
    ("scopes", "reaches"),
    [
        (["all"], True),
        (["read"], True),
        (["all@project/3"], True),
        (["all@project/4"], False),
        (["all@device/70"], True),
        (["all@device/71"], False),
        (["all@device/71", "read@project/3"], True),
        ([], False),
    ],
)
async def test_a_credential_reaches_no_further_than_its_scopes(
    world: World, scopes: list[str], *, reaches: bool
) -> None:
    who = person(ANNA, scopes_of(scopes) if scopes else NOTHING)
    if reaches:
        assert (await required(world, who, "READ")).allowed
        return
    with pytest.raises(NotFoundError, match=ABSENT):
        await required(world, who, "READ")
    assert world.asked() == []


# the log of decisions


async def test_every_refusal_is_logged_with_its_reason_and_one_yes_in_a_hundred(world: World) -> None:
    world.grant(BERTA, "READ")
    with capture_logs() as logs:
        for _ in range(250):
            await world.sees(ANNA)
            await world.sees(BERTA, "MAINTAIN")
        with pytest.raises(NotFoundError):
            await required(world, person(ANNA, scopes_of(["all@project/4"])), "READ")

    decided = [line for line in logs if line["event"] == "decision"]
    assert len([line for line in decided if line["allowed"]]) == 3
    assert [line["rule"] for line in decided if not line["allowed"]] == ["no_grant"] * 250 + ["out_of_scope"]


async def test_the_log_says_by_what_and_nothing_personal(world: World) -> None:
    world.grant(BERTA, "READ", ends_at=world.date + 10)
    world.say(world.change(BERTA))
    with capture_logs() as logs:
        assert await world.sees(BERTA)
        assert not await world.sees(BERTA, "X" * 100_000)

    first, second = logs
    assert first == {
        "event": "decision",
        "log_level": "info",
        "allowed": True,
        "account_key": BERTA,
        "flag": "READ",
        "asset": "device/70",
        "rule": "grant",
        "grant": 1,
        "until": world.date + 10,
        "position": 1,
    }
    assert second["rule"] == "unknown_flag"
    assert len(second["flag"]) == 64
