"""Names to addresses, within a time: a server of names that is slow holds up nobody but who asks for its names.

The system's resolver (hosts file, search domains, name services) can only be asked by waiting in a thread, which
nothing ends. So each name is looked up in a thread of its own, once at a time however many ask for it, and there are
only so many of them: who asks for more is refused. A thread ends with its look-up, and none keeps the process alive.
"""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Any, Final

WITHIN_S: Final = 5.0
MOST_AT_ONCE: Final = 64
TOO_MANY: Final = "too many names are being looked up"

LookUp = Callable[[str, int], list[str]]


def by_the_system(host: str, port: int) -> list[str]:
    """The addresses of `host`, as the system has them; it takes its time.

    Raises:
        OSError: There is no such name, or nobody who knows.
    """
    found: list[Any] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


class Resolving:
    """Looks names up."""

    def __init__(
        self, look_up: LookUp = by_the_system, *, within_s: float = WITHIN_S, most_at_once: int = MOST_AT_ONCE
    ) -> None:
        """Nothing is being looked up; `look_up` is run in threads."""
        self._look_up = look_up
        self._within_s = within_s
        self._most = most_at_once
        self._lock = Lock()
        self._under_way: dict[tuple[str, int], Future[list[str]]] = {}

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of `host`.

        Raises:
            TimeoutError: There was no answer in time; it may still come, and is not asked for twice until then.
            OSError: There is none, or too many names are being looked up.
        """
        waiting = asyncio.wrap_future(self._asked(host, port))
        waiting.add_done_callback(_heard)
        async with asyncio.timeout(self._within_s):
            return await asyncio.shield(waiting)

    def _asked(self, host: str, port: int) -> "Future[list[str]]":
        place = (host, port)
        with self._lock:
            known = self._under_way.get(place)
            if known is not None:
                return known
            if len(self._under_way) >= self._most:
                raise OSError(TOO_MANY)
            asked = self._under_way[place] = Future()
        asked.set_running_or_notify_cancel()  # from now on nobody who gives up ends it for the others
        try:
            Thread(target=self._ask, args=(place, asked), name=f"resolving {host}", daemon=True).start()
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody is to wait for a thread that never ran
            self._failed(place, asked, error)
        return asked

    def _ask(self, place: tuple[str, int], asked: "Future[list[str]]") -> None:
        try:
            found = self._look_up(*place)
        except Exception as error:  # noqa: BLE001 - whatever it is, who waits is told
            self._failed(place, asked, error)
        else:
            self._over(place)
            asked.set_result(found)

    def _failed(self, place: tuple[str, int], asked: "Future[list[str]]", error: Exception) -> None:
        self._over(place)
        asked.set_exception(error if isinstance(error, OSError) else OSError(str(error)))

    def _over(self, place: tuple[str, int]) -> None:
        with self._lock:
            del self._under_way[place]


def _heard(waiting: "asyncio.Future[list[str]]") -> None:
    """Nobody may wait any more for a look-up that fails."""
    if not waiting.cancelled():
        waiting.exception()
