"""Backends that move to another cluster, one after the other: rows are carried over while apps work, then they wait.

The wait is bounded: whoever writes meanwhile waits for a connection as for any other. What is not over in time is given
up, apps go on where they were, and it is tried again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol

import psycopg
import structlog

from services.fleetdb.carrying import Carrying, Ends
from services.fleetdb.connections import Connections
from services.fleetdb.errors import Refusal
from services.fleetdb.live import LiveRealm
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.moves import DueMove
from services.fleetdb.rules.backends import Place, place_of
from shared.errors import ConflictError, NotSupportedError, PublicError

FEW: Final = 2_000
"""So many rows are carried over in a moment: with no more missing, apps are made to wait."""
ROUNDS: Final = 20
TRIES: Final = 10
BACK_OFF_S: Final = 1.0
"""Doubled with each try: each lets apps wait for a moment."""
MOST_S: Final = 60.0
GIVE_BACK_S: Final = 2.0
COMPLETE_S: Final = 2.5
"""With the time before it less than a call waits for a connection."""
PAUSE_S: Final = 1.0
LOOK_S: Final = 5.0
"""So often it is looked whether a backend is still to move, while its indexes are made."""
STAYS: Final = "the backend is to stay where it is"

log = structlog.get_logger()


class Realms(Protocol):
    """What realms is asked and told."""

    async def moves_due(self) -> list[DueMove]:
        """See `authority.RealmsAuthority`."""

    async def switch(self, move: DueMove, *, rows: int, paused_ms: int) -> None:
        """See `authority.RealmsAuthority`."""

    async def give_up(self, move: DueMove, problem: str) -> None:
        """See `authority.RealmsAuthority`."""


class Moving:
    """Carries them over."""

    def __init__(
        self,
        realms: Realms,
        connections: Connections,
        others: Callable[[], Connections],
        *,
        alone_with: Callable[[int], asyncio.Lock],
        find: Callable[[Place], LiveRealm | None],
        reseal_anew: Callable[[int], Awaitable[None]],
    ) -> None:
        """Apps work by `connections`; `others` are opened for a move; `alone_with` keeps it from being tended.

        By `reseal_anew` all rows of a backend are looked at again for values under older data keys.
        """
        self._realms = realms
        self._connections = connections
        self._others = others
        self._alone_with = alone_with
        self._find = find
        self._reseal_anew = reseal_anew
        self._tries: dict[tuple[int, int], tuple[int, float]] = {}
        """How often each was tried in vain, and when it is tried again."""

    async def keep_up(self) -> None:
        """Carry over what is due.

        Raises:
            PublicError: Realms is away.
        """
        now = asyncio.get_running_loop().time
        for move in await self._realms.moves_due():
            if now() < self._tries.get(_key(move), (0, 0.0))[1]:
                continue
            async with self._alone_with(move.backend.backend_key):
                await self._move(move)

    async def _move(self, move: DueMove) -> None:
        source, target = self._others(), self._others()
        words = {"backend": move.backend.backend_key, "to": move.to}
        try:
            carrying = Carrying(Ends(move.backend, move.target, source, target))
            await self._while_due(move, carrying.prepare())
            for _ in range(ROUNDS):
                if await carrying.carry() <= FEW:
                    break
            await self._finish(move, carrying)
            await carrying.clear()
            log.info("backend_moved", rows=carrying.rows, **words)
        except ConflictError:
            log.info("backend_move_ended", **words)
        except NotSupportedError as error:
            await self._realms.give_up(move, error.message)
        except (TimeoutError, psycopg.Error, PublicError, Refusal) as error:
            log.warning("backend_not_moved", error=_said(error), **words)
            await self._failed(move, error)
        finally:
            await source.close()
            await target.close()

    async def _while_due(self, move: DueMove, work: Coroutine[Any, Any, None]) -> None:
        """Do what may take hours, and stop where the backend is to stay.

        Raises:
            ConflictError: It is to stay; what was at work has ended.
        """
        working = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait([working], timeout=LOOK_S))[0]:
                if not await self._is_due(move):
                    raise ConflictError(STAYS)
            await working
        finally:
            working.cancel()
            await asyncio.wait([working])

    async def _is_due(self, move: DueMove) -> bool:
        try:
            return _key(move) in [_key(each) for each in await self._realms.moves_due()]
        except PublicError:
            return True  # nobody has said otherwise

    async def _finish(self, move: DueMove, carrying: Carrying) -> None:
        # Between two tries values were perhaps sealed anew on the source alone. First: behind a switch it may die.
        await self._reseal_anew(move.backend.backend_key)
        clock = asyncio.get_running_loop().time
        began = clock()
        held = self._connections.held(move.backend.backend_key, GIVE_BACK_S)
        async with held, carrying.completed(COMPLETE_S):
            await self._switch(move, carrying.rows, lambda: round((clock() - began) * 1_000))
            await self._follow(move.target)
        self._tries.pop(_key(move), None)
        log.info("backend_switched", backend=move.backend.backend_key, paused_ms=round((clock() - began) * 1_000))

    async def _switch(self, move: DueMove, rows: int, paused_ms: Callable[[], int]) -> None:
        """Have realms say that it is there now; until that is known nobody writes anywhere.

        Raises:
            ConflictError: It is to stay.
        """
        while True:
            try:
                await self._realms.switch(move, rows=rows, paused_ms=paused_ms())
            except ConflictError:
                raise
            except PublicError as error:
                log.warning("switch_not_answered", backend=move.backend.backend_key, reason=error.code)
                await asyncio.sleep(PAUSE_S)
            else:
                return

    async def _follow(self, target: Backend) -> None:
        """Work there; until that can be, calls are refused."""
        while True:
            try:
                await self._connections.follow_to(target)
            except PublicError as error:
                log.warning("target_not_followed", backend=target.backend_key, reason=error.code)
                await asyncio.sleep(PAUSE_S)
            else:
                break
        realm = self._find(place_of(target))
        if realm is not None:
            realm.backend = target

    async def _failed(self, move: DueMove, error: Exception) -> None:
        tries = self._tries.get(_key(move), (0, 0.0))[0] + 1
        pause_s = min(MOST_S, BACK_OFF_S * 2**tries)
        self._tries[_key(move)] = tries, asyncio.get_running_loop().time() + pause_s
        if tries >= TRIES:
            del self._tries[_key(move)]
            await self._realms.give_up(move, _said(error))


def _said(error: Exception) -> str:
    """What went wrong, without anything of a row."""
    return f"{type(error).__name__}: {error.message}" if isinstance(error, PublicError) else type(error).__name__


def _key(move: DueMove) -> tuple[int, int]:
    return move.move_key, move.backend.backend_key
