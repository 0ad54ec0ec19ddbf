"""How rows leave that do not fit into one message: wire-sdk.md section 6, "Too big"."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from services.fleetdb.errors import Refusal, typed

BUDGET: Final = 8 * 2**20
"""Octets of JSON that one answer has at most, and one row."""
MOST: Final = 2**30
"""Octets of JSON that all chunks of an answer have at most."""
CHUNK: Final = 2**20
"""Octets of JSON from which on a chunk is sent: less than what a client may lag behind."""
TOP_COLUMNS: Final = 5

Rows = list[dict[str, Any]]


def octets_of(row: dict[str, Any]) -> int:
    """The length of `row` as JSON, with its comma."""
    return len(msgspec.json.encode(row)) + 1


def too_large(table: str, rows: Sequence[dict[str, Any]], *, octets: int, count: int) -> Refusal:
    """`result_too_large`, with which columns of `rows` take the most."""
    sizes: dict[str, int] = {}
    for row in rows:
        for name, value in row.items():
            sizes[name] = sizes.get(name, 0) + len(msgspec.json.encode(value))
    looked_at = max(1, sum(sizes.values()))
    top = sorted(sizes.items(), key=lambda each: -each[1])[:TOP_COLUMNS]
    detail = f"the answer has more than {BUDGET} octets: ask for fewer rows or columns"
    columns = [{"name": name, "bytes": size, "pct": round(100 * size / looked_at)} for name, size in top]
    return typed(
        "result_too_large",
        detail,
        bytes=octets,
        rows=count,
        tablename=table,
        limitBytes=BUDGET,
        topColumns=columns,
        detail=detail,
    )


def summary(chunks: int, rows: int) -> dict[str, Any]:
    """What ends an answer in chunks: together, and reversed, they are the rows of one."""
    return {"chunked": True, "chunkCount": chunks, "totalRows": rows, "order": "asc"}


def pieces(rows: Rows) -> Iterator[Rows]:
    """`rows` in pieces that each fit into one message, in order; most often it is one."""
    piece: Rows = []
    octets = 0
    for row in rows:
        size = octets_of(row)
        if piece and octets + size > BUDGET:
            yield piece
            piece, octets = [], 0
        piece.append(row)
        octets += size
    if piece:
        yield piece
