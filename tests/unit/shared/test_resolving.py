"""Names are looked up in threads that nobody has to wait for, and of which there are few."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from shared.resolving import TOO_MANY, Resolving, by_the_system

pytestmark = pytest.mark.asyncio
WITHIN_S = 30.0


class SlowNames:
    """A server of names that answers for `slow` when it is let, for `nowhere` with an error, and for others at once."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.asked: list[str] = []

    def look_up(self, host: str, port: int) -> list[str]:
        """As the system does."""
        self.asked.append(host)
        if host.startswith("slow"):
            assert self.may_answer.wait(WITHIN_S)
        if host.endswith("nowhere"):
            raise socket.gaierror(socket.EAI_NONAME, "no")
        return [f"192.0.2.{port}"]


@pytest.fixture(name="names")
def fixture_names() -> Iterator[SlowNames]:
    names = SlowNames()
    yield names
    names.may_answer.set()


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("resolving slow")]


async def all_ended() -> None:
    for thread in threads():
        await asyncio.to_thread(thread.join, WITHIN_S)
    assert threads() == []


async def test_a_slow_name_holds_up_nobody_else(names: SlowNames) -> None:
    resolving = Resolving(names.look_up, within_s=0.05)
    slow = [asyncio.create_task(resolving.addresses("slow.example", 1)) for _ in range(40)]

    assert await resolving.addresses("quick.example", 2) == ["192.0.2.2"]
    given_up = await asyncio.gather(*slow, return_exceptions=True)

    assert {type(each) for each in given_up} == {TimeoutError}
    assert (len(threads()), names.asked.count("slow.example")) == (1, 1)
    names.may_answer.set()
    await all_ended()
    assert await resolving.addresses("slow.example", 1) == ["192.0.2.1"]


async def test_whoever_gives_up_ends_it_for_nobody_else(names: SlowNames) -> None:
    resolving = Resolving(names.look_up, within_s=WITHIN_S)
    first, second = (asyncio.create_task(resolving.addresses("slow.example", 1)) for _ in range(2))
    await asyncio.sleep(0)

    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    names.may_answer.set()

    assert await second == ["192.0.2.1"]


async def test_there_are_only_so_many_and_they_end(names: SlowNames) -> None:
    resolving = Resolving(names.look_up, within_s=WITHIN_S, most_at_once=3)
    tasks = [asyncio.create_task(resolving.addresses(f"slow-{number}.example", 1)) for number in range(3)]
    await asyncio.sleep(0)

    with pytest.raises(OSError, match=TOO_MANY):
        await resolving.addresses("quick.example", 1)
    assert (len(threads()), all(thread.daemon for thread in threads())) == (3, True)

    names.may_answer.set()
    assert await asyncio.gather(*tasks) == [["192.0.2.1"]] * 3
    await all_ended()
    assert await resolving.addresses("quick.example", 1) == ["192.0.2.1"]


async def test_a_name_that_is_not_there_is_said_so_each_time(names: SlowNames) -> None:
    resolving = Resolving(names.look_up)
    for _ in range(2):
        with pytest.raises(socket.gaierror):
            await resolving.addresses("nowhere", 1)

    assert names.asked == ["nowhere", "nowhere"]


async def test_a_look_up_that_breaks_ends_too() -> None:
    def broken(host: str, port: int) -> list[str]:
        raise MemoryError(f"{host}:{port}")

    resolving = Resolving(broken, within_s=WITHIN_S, most_at_once=1)
    for _ in range(2):
        with pytest.raises(OSError, match=r"a\.example:1"):
            await resolving.addresses("a.example", 1)


async def test_a_thread_that_cannot_begin_is_an_error_that_stays_with_nobody(
    names: SlowNames, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    resolving = Resolving(names.look_up, within_s=WITHIN_S, most_at_once=1)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        with pytest.raises(OSError, match="new thread"):
            await resolving.addresses("a.example", 1)

    assert await resolving.addresses("a.example", 1) == ["192.0.2.1"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_the_system_knows_its_own_names(host: str) -> None:
    assert "127.0.0.1" in await Resolving().addresses(host, 443)
    assert "127.0.0.1" in by_the_system(host, 443)


@pytest.mark.parametrize("host", ["a" * 300, "x..y", "\ud800"], ids=["long", "empty label", "surrogate"])
async def test_what_is_no_name_is_an_error_like_any(host: str) -> None:
    with pytest.raises(OSError, match=r"."):
        await Resolving().addresses(host, 443)
