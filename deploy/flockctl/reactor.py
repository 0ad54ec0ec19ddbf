"""Runs one coroutine on Twisted's reactor and comes back with what became of it."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar, cast

from twisted.internet.defer import CancelledError, Deferred, FirstError, gatherResults
from twisted.logger import globalLogBeginner
from twisted.python.failure import Failure

Result = TypeVar("Result")


def run(work: Callable[[Any], Coroutine[Any, Any, Result]]) -> Result:
    """The result of `work(reactor)`. Ctrl-C and SIGTERM cancel it and wait until it has cleaned up.

    Raises:
        KeyboardInterrupt: It was cancelled and made no result of it.
        BaseException: Whatever `work` raised.
    """
    from twisted.internet import reactor as installed  # noqa: PLC0415 - importing it installs it

    reactor = cast(Any, installed)
    # Without an observer Twisted prints tracebacks of its own to standard error.
    globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)
    results: list[Result | Failure] = []

    def begin() -> None:
        running = Deferred.fromCoroutine(work(reactor))
        finished: Deferred[None] = running.addBoth(results.append)

        def give_up() -> Deferred[None]:
            running.cancel()
            return finished

        stopping = reactor.addSystemEventTrigger("before", "shutdown", give_up)
        _end = finished.addBoth(lambda _: _stop(reactor, stopping))

    reactor.callWhenRunning(begin)
    reactor.run()
    return cast(Result, _unpacked(results))


async def all_of(works: Iterable[Deferred[Result]]) -> list[Result]:
    """The results of `works`, which go on side by side.

    Raises:
        Exception: What the first of them that failed raised, itself and not in Twisted's wrapping.
    """
    try:
        return await gatherResults(works, consumeErrors=True)
    except FirstError as error:
        error.subFailure.raiseException()


def _stop(reactor: Any, trigger: object) -> None:
    try:
        reactor.removeSystemEventTrigger(trigger)
    except ValueError:
        return  # the reactor is stopping already
    reactor.stop()


def _unpacked(results: list[Any]) -> Any:
    if not results:
        raise KeyboardInterrupt
    [result] = results
    if isinstance(result, Failure):
        if result.check(CancelledError):
            raise KeyboardInterrupt
        result.raiseException()
    return result
