"""How answers that are too long for one message leave."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fleetdb.errors import Refusal
from services.fleetdb.rules import chunks
from services.fleetdb.rules.chunks import octets_of, pieces
from services.fleetdb.sending import answered

MIB = 2**20
rows = st.lists(
    st.dictionaries(st.sampled_from(["tsp", "a", "b"]), st.one_of(st.none(), st.integers(-(2**53), 2**53), st.text())),
    max_size=30,
)


async def batches(*found: list[dict[str, Any]]) -> AsyncGenerator[list[dict[str, Any]]]:
    for batch in found:
        yield batch


def answer(found: list[dict[str, Any]], *, in_chunks: bool = True) -> tuple[Any, int, list[tuple[int, Any]]]:
    sent: list[tuple[int, Any]] = []
    progress = (lambda *args: sent.append((args[0], args[1]))) if in_chunks else None
    result, count = asyncio.run(answered("readings", batches(found), progress))
    return result, count, sent


def assembled(result: Any, sent: list[tuple[int, Any]]) -> list[dict[str, Any]]:
    """As the published SDK does it."""
    if not isinstance(result, dict):
        assert not sent
        return list(result)
    assert (result["chunked"], result["order"]) == (True, "asc")
    assert [index for index, _ in sent] == list(range(result["chunkCount"]))
    together = [row for _, chunk in sent for row in chunk]
    assert len(together) == result["totalRows"]
    return together[::-1]


@given(rows, st.integers(1, 200), st.integers(1, 100))
def test_what_arrives_is_what_was_read_whatever_the_budget(
    found: list[dict[str, Any]], budget: int, chunk: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("BUDGET", budget), ("CHUNK", chunk), ("MOST", 2**30)):
            patch.setattr(f"services.fleetdb.sending.{name}", value)
        if any(octets_of(row) > budget for row in found):
            with pytest.raises(Refusal, match="result_too_large"):
                answer(found)
            return
        result, count, sent = answer(found)
    assert count == len(found)
    assert assembled(result, sent) == found[::-1]
    total = sum(map(octets_of, found))
    assert bool(sent) == (total > budget)


def test_without_progress_a_long_answer_is_refused_with_what_makes_it_long() -> None:
    found = [{"tsp": number, "blob": "x" * MIB} for number in range(12)]
    with pytest.raises(Refusal) as raised:
        answer(found, in_chunks=False)
    told = raised.value.wire_kwargs
    assert raised.value.uri == "sys.dataservice.error.result_too_large"
    assert (told["rows"], told["limitBytes"], told["tablename"]) == (12, 8 * MIB, "readings")
    assert told["bytes"] > 12 * MIB
    assert (told["topColumns"][0]["name"], told["topColumns"][0]["pct"]) == ("blob", 100)
    assert told["detail"] == raised.value.wire_args[0]


@pytest.mark.parametrize("in_chunks", [False, True])
def test_no_more_is_read_than_is_told_and_what_reads_is_over(
    monkeypatch: pytest.MonkeyPatch, *, in_chunks: bool
) -> None:
    for name in ("BUDGET", "COUNTED", "MOST"):
        monkeypatch.setattr(f"services.fleetdb.sending.{name}", {"BUDGET": 100, "COUNTED": 400, "MOST": 800}[name])
    read: list[int] = []
    ended: list[bool] = []

    async def reading() -> AsyncGenerator[list[dict[str, Any]]]:
        try:
            for number in range(1_000):
                read.append(number)
                yield [{"tsp": number, "blob": "x" * 50}]
        finally:
            ended.append(True)

    async def ask() -> None:
        with pytest.raises(Refusal, match="result_too_large"):
            await answered("readings", reading(), (lambda *_: None) if in_chunks else None)
        assert ended == [True]

    asyncio.run(ask())
    assert len(read) < (15 if in_chunks else 8)


def test_one_row_that_is_too_long_is_refused_to_everybody() -> None:
    with pytest.raises(Refusal, match="result_too_large"):
        answer([{"tsp": 1, "blob": "x" * (chunks.BUDGET + 1)}])


@given(rows)
def test_the_length_of_a_row_is_that_of_its_json(found: list[dict[str, Any]]) -> None:
    for row in found:
        text = json.dumps(row, separators=(",", ":"), ensure_ascii=False)
        assert octets_of(row) >= len(text.encode("utf-8", "surrogatepass")) * 0.5


@given(rows)
def test_pieces_are_all_of_it_in_order(found: list[dict[str, Any]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.fleetdb.rules.chunks.BUDGET", 40)
        cut = list(pieces(found))
    assert [row for piece in cut for row in piece] == found
    assert all(len(piece) == 1 or sum(map(octets_of, piece)) <= 40 for piece in cut)
