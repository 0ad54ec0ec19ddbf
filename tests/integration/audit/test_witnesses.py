"""Witnesses: each newest head is offered, what they answer is kept, and their absence changes nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from services.audit.backoff import Backoff
from services.audit.settings import Witness
from services.audit.witnesses import Witnessing, WitnessRefusedError
from shared.posting import PostingError
from shared.tlog.cosignature import Cosigner
from shared.tlog.errors import TlogError
from shared.tlog.heads import Trust
from shared.tlog.note import SignedNote
from shared.tlog.verification import verify_log
from shared.tlog.witness import NOTHING_KNOWN, AddCheckpoint, Cosign, Known, decide
from tests.integration.audit.receivers import HttpReceiver, serving
from tests.integration.audit.world import ORIGIN, SIGNER, World
from tests.integration.flockctl.certificates import make_certificates

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


class FakeWitness:
    """A witness with the shared decision behind a small server."""

    def __init__(self) -> None:
        self.cosigner = Cosigner.from_seed("witness.example", b"w" * 32)
        self.known: Known = NOTHING_KNOWN
        self.receiver = HttpReceiver()
        self.receiver.answer_of = self.answer
        self.witness: Witness

    def answer(self, body: bytes) -> tuple[int, bytes]:
        decision = decide(body, {ORIGIN: [SIGNER.verifier_key]}, self.known)
        if isinstance(decision, Cosign):
            self.known = decision.known
            text = SignedNote.parse(AddCheckpoint.parse(body).note).text
            return 200, self.cosigner.cosign(text, timestamp=1_700_000_000).line.encode()
        return decision.status, b"" if decision.known_size is None else f"{decision.known_size}\n".encode()


@pytest_asyncio.fixture(name="fake")
async def fixture_fake(tmp_path: Path) -> AsyncIterator[FakeWitness]:
    certificates, fake = make_certificates(tmp_path), FakeWitness()
    async with serving(certificates, fake.receiver.answer) as port:
        fake.witness = Witness(f"https://localhost:{port}/w/", fake.cosigner.verifier_key, str(certificates.ca))
        yield fake


def witnessing(world: World, fake: FakeWitness) -> Witnessing:
    return Witnessing(world.database, fake.witness, world.bell, Backoff(lambda: 0.0, first_s=0.01))


async def cosigners(world: World, fake: FakeWitness) -> int:
    trust = Trust((*world.notary.verifiers, fake.cosigner.verifier_key))
    return len(verify_log(await world.saved(), trust).cosignatures)


async def test_each_newest_head_is_cosigned_and_served_so(world: World, fake: FakeWitness) -> None:
    asking = witnessing(world, fake)
    for count in (1, 300, 7):
        await world.recorded(count)
        assert await cosigners(world, fake) == 0

        await asking.step()
        await asking.step()

        assert await cosigners(world, fake) == 1
    assert fake.receiver.requests[0][0] == "POST /w/add-checkpoint HTTP/1.1"
    assert fake.known.size == 308


async def test_given_a_start_anew_when_the_witness_knows_more_then_it_is_believed(
    world: World, fake: FakeWitness
) -> None:
    await world.recorded(5)
    await witnessing(world, fake).step()
    await world.recorded(5)

    await witnessing(world, fake).step()

    assert await cosigners(world, fake) == 1
    assert fake.known.size == 10


async def test_given_a_log_that_lost_entries_when_it_asks_then_the_witness_does_not_cosign(
    world: World, fake: FakeWitness
) -> None:
    await world.recorded(10)
    await witnessing(world, fake).step()
    world.postgres.clear()
    world.head_file.unlink()
    world.restarted()
    await world.recorded(5)

    with pytest.raises(WitnessRefusedError, match="some are lost"):
        await witnessing(world, fake).step()

    await world.recorded(15)
    with pytest.raises(WitnessRefusedError, match="422"):
        await witnessing(world, fake).step()
    assert await cosigners(world, fake) == 0


@pytest.mark.parametrize("answer", [(200, b""), (200, b"nonsense\n"), (409, b"x"), (500, b""), (404, b"")])
async def test_given_nonsense_when_it_answers_then_nothing_is_kept(
    world: World, fake: FakeWitness, answer: tuple[int, bytes]
) -> None:
    await world.recorded(3)
    fake.receiver.answer_of = lambda _: answer

    with pytest.raises((WitnessRefusedError, TlogError)):
        await witnessing(world, fake).step()

    assert world.postgres.rows("SELECT count(*) FROM audit.cosignature") == [(0,)]


async def test_given_another_s_cosignature_when_it_answers_then_it_is_not_kept(world: World, fake: FakeWitness) -> None:
    await world.recorded(3)
    fake.cosigner = Cosigner.from_seed("witness.example", b"x" * 32)

    with pytest.raises(TlogError):
        await witnessing(world, fake).step()

    assert world.postgres.rows("SELECT count(*) FROM audit.cosignature") == [(0,)]


async def test_given_no_witness_when_the_log_grows_then_it_does_not_wait(world: World, fake: FakeWitness) -> None:
    fake.receiver.answer_of = lambda _: (503, b"")
    asking = witnessing(world, fake)
    await world.recorded(3)
    with pytest.raises((WitnessRefusedError, PostingError)):
        await asking.step()

    await world.recorded(3)

    assert (await world.verified()).findings == ()
    assert (await world.head()).size == 6
