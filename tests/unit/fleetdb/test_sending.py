"""What is read by others is written down before anything of it leaves, and how it ended."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from services.fleetdb.foreign_reads import Read
from services.fleetdb.rules.chunks import BUDGET
from services.fleetdb.sending import answered
from shared.audit import Outcome
from shared.errors import UnavailableError

pytestmark = pytest.mark.asyncio
ROW = {"note": "x" * (BUDGET // 8)}


class Happened:
    """What is said to the log and to the caller, in its order."""

    def __init__(self, refuses: Outcome | None = None) -> None:
        self.said: list[Any] = []
        self.refuses = refuses

    async def record(self, outcome: Outcome, about: dict[str, Any]) -> None:
        if outcome is self.refuses:
            raise UnavailableError("the log is away")
        self.said.append((outcome, about["rows"]))

    def progress(self, number: int, chunk: list[Any]) -> None:
        self.said.append((number, len(chunk)))

    def read(self) -> Read:
        return Read(self.record, {"table": "readings"}, self.progress)


async def batches(count: int, *, fails: bool = False) -> AsyncGenerator[list[dict[str, Any]]]:
    for _ in range(count):
        yield [ROW]
    if fails:
        raise UnavailableError("the database is away")


async def test_a_long_answer_is_written_down_before_its_first_chunk() -> None:
    happened = Happened()
    read = happened.read()
    _, rows = await answered("readings", batches(20), read.progress, read.begin)
    await read.end(rows)
    assert happened.said[0] == (Outcome.INTENDED, None)
    assert happened.said[-1] == (Outcome.DONE, 20)
    assert sum(count for number, count in happened.said[1:-1] if isinstance(number, int)) == 20
    assert len([each for each in happened.said if isinstance(each[0], Outcome)]) == 2


async def test_a_short_answer_is_written_down_once() -> None:
    happened = Happened()
    read = happened.read()
    answer, rows = await answered("readings", batches(2), read.progress, read.begin)
    await read.end(rows)
    assert (len(answer), happened.said) == (2, [(Outcome.DONE, 2)])


async def test_what_cannot_be_written_down_does_not_leave() -> None:
    happened = Happened(refuses=Outcome.INTENDED)
    read = happened.read()
    with pytest.raises(UnavailableError):
        await answered("readings", batches(20), read.progress, read.begin)
    await read.break_off()
    assert happened.said == []


@pytest.mark.parametrize("refuses", [None, Outcome.FAILED])
async def test_an_answer_that_breaks_off_is_written_down_as_far_as_it_left(refuses: Outcome | None) -> None:
    happened = Happened(refuses)
    read = happened.read()
    with pytest.raises(UnavailableError):
        await answered("readings", batches(20, fails=True), read.progress, read.begin)
    await read.break_off()
    sent = sum(count for number, count in happened.said[1:] if isinstance(number, int) and number >= 0)
    assert 0 < sent <= 20
    assert ((Outcome.FAILED, sent) in happened.said) is (refuses is None)


async def test_an_app_s_own_read_is_nobody_s_business() -> None:
    happened = Happened()
    read = Read(None, {}, happened.progress)
    _, rows = await answered("readings", batches(20), read.progress, read.begin)
    await read.end(rows)
    await read.break_off()
    assert not any(isinstance(number, Outcome) for number, _ in happened.said)
