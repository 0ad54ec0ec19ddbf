"""The log over HTTPS for anybody who verifies: `/audit/checkpoint`, `/audit/tile/...` (C2SP tlog-tiles).

Leaves are commitments, so nothing here tells anything of the entries (decision 23). Only what the newest head covers is
served; a full tile never changes, and neither does the partial one of a given width.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import structlog
from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.http import NOT_ALLOWED, NOT_FOUND, OK, SERVICE_UNAVAILABLE, Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from services.audit.store import log as store
from shared.database import Connection, Database
from shared.errors import PublicError
from shared.tlog.contents import bundle_octets
from shared.tlog.errors import MalformedError
from shared.tlog.hashing import HASH_LENGTH
from shared.tlog.layout import (
    CHECKPOINT_PATH,
    CHECKPOINT_TYPE,
    TILE_TYPE,
    TILE_WIDTH,
    EntryBundle,
    Tile,
    level_width,
    parse_path,
)

PREFIX: Final = "audit/"
IMMUTABLE: Final = "public, max-age=31536000, immutable"
NEVER: Final = "no-store"
TEXT: Final = "text/plain; charset=utf-8"

log = structlog.get_logger()


@frozen
class Answer:
    """What a path is answered with."""

    content: bytes
    kind: str = TEXT
    caching: str = NEVER
    status: int = OK


ABSENT: Final = Answer(b"There is no such tile.\n", status=NOT_FOUND)
AWAY: Final = Answer(b"The database is away; try again in a moment.\n", status=SERVICE_UNAVAILABLE)


class Tiles:
    """Answers paths from the database."""

    def __init__(self, database: Database) -> None:
        """Serve from `database`."""
        self._database = database

    async def answer(self, path: str) -> Answer:
        """What `path`, without the leading slash, is answered with."""
        try:
            if not path.startswith(PREFIX):
                return ABSENT
            wanted = path.removeprefix(PREFIX)
            if wanted == CHECKPOINT_PATH:
                return await self._checkpoint()
            return await self._tile(parse_path(wanted))
        except MalformedError:
            return ABSENT
        except PublicError:
            return AWAY

    async def _checkpoint(self) -> Answer:
        head = await self._database.run(store.head)
        return ABSENT if head is None else Answer(head.note.encode(), CHECKPOINT_TYPE)

    async def _tile(self, place: Tile | EntryBundle) -> Answer:
        level = place.level if isinstance(place, Tile) else 0
        head = await self._database.run(store.head)
        size = 0 if head is None else head.size
        if level_width(level, size) < place.index * TILE_WIDTH + place.width:
            return ABSENT
        content = await self._database.run(lambda connection: _content(connection, place))
        return ABSENT if content is None else Answer(content, TILE_TYPE, IMMUTABLE)


async def _content(connection: Connection, place: Tile | EntryBundle) -> bytes | None:
    """The octets at `place`; what a superuser has cut off is absent, and so found."""
    if isinstance(place, EntryBundle):
        start = place.index * TILE_WIDTH
        return bundle_octets(await store.commitments(connection, start, start + place.width)) or None
    octets = await store.tile(connection, place.level, place.index)
    return None if octets is None else octets[: place.width * HASH_LENGTH]


class Site(Resource):
    """The pages of `Tiles`."""

    isLeaf = 1

    def __init__(self, tiles: Tiles) -> None:
        """Serve `tiles`."""
        super().__init__()
        self._tiles = tiles

    def render_POST(self, request: Request) -> bytes:
        """Nothing here is changed by anybody."""
        request.setResponseCode(NOT_ALLOWED)
        request.setHeader("allow", "GET, HEAD")
        return b""

    def render_GET(self, request: Request) -> int:
        """Answer as soon as the database has."""
        gone: list[Failure] = []
        _ = request.notifyFinish().addErrback(gone.append)
        path = bytes(request.path).decode("ascii", "replace").removeprefix("/")
        answering = _future(self._answered(request, path, gone))
        _ = answering.addErrback(lambda failure: log.error("tile_not_served", reason=failure.getErrorMessage()))
        return NOT_DONE_YET

    async def _answered(self, request: Request, path: str, gone: list[Failure]) -> None:
        answer = await self._tiles.answer(path)
        if gone:
            return
        request.setResponseCode(answer.status)
        request.setHeader("content-type", answer.kind)
        request.setHeader("cache-control", answer.caching)
        request.setHeader("content-length", str(len(answer.content)))
        request.setHeader("access-control-allow-origin", "*")
        request.setHeader("server", "ironflock")
        request.setHeader("strict-transport-security", "max-age=31536000")
        request.setHeader("x-content-type-options", "nosniff")
        if request.method != b"HEAD":
            request.write(answer.content)
        request.finish()


def _future(coroutine: Coroutine[Any, Any, None]) -> "Deferred[None]":
    return Deferred.fromFuture(asyncio.get_running_loop().create_task(coroutine))
