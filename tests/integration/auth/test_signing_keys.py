"""The keys that sign tokens come and go, and no token that lives stops verifying."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.provider.signing_keys import KEPT_AFTER, LEAD, LIFE, SigningKeys, signing_key
from services.auth.provider.tokens import read
from services.auth.records.provider import SigningKey
from shared.errors import UnavailableError
from tests.integration.auth.material import MOMENT
from tests.integration.auth.relying import World

pytestmark = [pytest.mark.real]


@pytest.mark.asyncio
async def test_a_new_key_is_shown_before_it_signs_and_the_old_one_stays_after(world: World) -> None:
    now = [world.people.now]
    keys = SigningKeys(world.database, world.people.parts.keyring, lambda: now[0])
    first = (await keys.signer()).key.kid
    token = (await keys.signer()).sign({"sub": "1"}, "JWT")

    now[0] += LIFE.total_seconds() + 1
    await keys.rotate()
    await keys.rotate()
    shown = (await keys.signer()).shown["keys"]
    assert len(shown) == 2
    assert (await keys.signer()).key.kid == first

    now[0] += LEAD.total_seconds()
    second = await keys.signer()
    assert second.key.kid != first
    assert read(second, token, "JWT") == {"sub": "1"}

    now[0] += KEPT_AFTER.total_seconds()
    await keys.rotate()
    assert [key["kid"] for key in (await keys.signer()).shown["keys"]] == [second.key.kid]
    assert read(await keys.signer(), token, "JWT") is None
    assert world.people.actions().count("signing_key.created") == 2


@pytest.mark.asyncio
async def test_a_key_that_an_operator_wants_followed_is_followed_once_and_signs_until_all_can_know_the_next(
    world: World,
) -> None:
    now = [world.people.now]
    keys = SigningKeys(world.database, world.people.parts.keyring, lambda: now[0])
    await keys.rotate()
    first = (await keys.signer()).key.kid
    world.people.postgres.run("UPDATE auth.signing_key SET is_to_be_followed = true")
    now[0] += 120

    await keys.rotate()
    await keys.rotate()

    shown = [key["kid"] for key in (await keys.signer()).shown["keys"]]
    assert len(shown) == 2
    assert (await keys.signer()).key.kid == first
    now[0] += LEAD.total_seconds()
    assert (await keys.signer()).key.kid == shown[0] != first


@pytest.mark.asyncio
async def test_another_process_reads_the_same_key(world: World) -> None:
    first = SigningKeys(world.database, world.people.parts.keyring, lambda: world.people.now)
    second = SigningKeys(world.database, world.people.parts.keyring, lambda: world.people.now)
    await second.rotate()

    assert (await first.signer()).shown == (await second.signer()).shown
    (row,) = world.people.postgres.rows("SELECT sealed, public_jwk::text FROM auth.signing_key")
    assert '"d"' not in row[1]


@pytest.mark.asyncio
async def test_without_a_key_nothing_is_signed(world: World) -> None:
    world.people.postgres.run("DELETE FROM auth.signing_key")
    keys = SigningKeys(world.database, world.people.parts.keyring, lambda: world.people.now)

    with pytest.raises(UnavailableError):
        await keys.signer()


@given(st.lists(st.timedeltas(), min_size=1, max_size=5, unique=True))
def test_the_newest_key_that_all_can_know_signs(ages: list[object]) -> None:
    keys = [SigningKey(str(n), {}, b"", MOMENT - LEAD * n, is_to_be_followed=False) for n in range(len(ages))]

    assert signing_key(keys, MOMENT) is keys[min(1, len(keys) - 1)]
