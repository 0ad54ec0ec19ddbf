"""Heads for people."""

import pytest

from services.audit.procedures.heads import HeadProcedures
from services.audit.records import AskConsistency
from shared.errors import InvalidArgumentError, UnavailableError
from shared.procedures import NoArguments
from shared.tlog.note import decode_base64
from shared.tlog.proof import verify_consistency
from tests.integration.audit.world import ANNA, ORIGIN, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_the_newest_head_is_shown_with_its_keys(world: World) -> None:
    await world.recorded(3)

    head = await HeadProcedures(world.database, world.notary).head_show(ANNA, NoArguments())

    assert (head.size, head.origin, head.keys) == (3, ORIGIN, world.notary.key_texts)
    assert head.checkpoint.encode() == (await world.saved()).checkpoint()


@pytest.mark.parametrize("sizes", [(1, 1), (1, 2), (255, 300), (256, 257), (3, 600)])
async def test_a_head_continues_each_one_before(world: World, sizes: tuple[int, int]) -> None:
    before, after = sizes
    await world.recorded(before)
    first = await world.head()
    await world.recorded(after - before)

    proof = await HeadProcedures(world.database, world.notary).head_consistency(ANNA, AskConsistency(before))

    verify_consistency(
        size1=before,
        size2=after,
        proof=[decode_base64(each) for each in proof.consistency_proof],
        root1=first.root,
        root2=decode_base64(proof.root),
    )
    assert (proof.from_size, proof.size) == sizes


async def test_given_a_larger_size_when_it_is_asked_for_then_it_is_refused(world: World) -> None:
    await world.recorded(3)

    with pytest.raises(InvalidArgumentError):
        await HeadProcedures(world.database, world.notary).head_consistency(ANNA, AskConsistency(4))


async def test_before_the_first_head_it_is_unavailable(world: World) -> None:
    with pytest.raises(UnavailableError):
        await HeadProcedures(world.database, world.notary).head_show(ANNA, NoArguments())


async def test_given_lost_tiles_when_a_proof_is_asked_for_then_it_says_so(world: World) -> None:
    await world.recorded(3)
    world.as_superuser("DELETE FROM audit.tile")

    with pytest.raises(UnavailableError, match="damaged"):
        await HeadProcedures(world.database, world.notary).head_consistency(ANNA, AskConsistency(1))
