"""Twisted's reactor in a thread of its own, for tests that are plain functions."""

import sys
from collections.abc import Coroutine
from threading import Thread
from typing import Any, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread

if "twisted.internet.reactor" not in sys.modules:
    # It installs the asyncio reactor and insists on being the first; other tests of the same run may import it later.
    import shared.service  # noqa: F401

from twisted.internet import reactor as installed

Result = TypeVar("Result")
reactor = cast(Any, installed)


def start() -> None:
    """Run the reactor until the test run ends; a second call does nothing."""
    if not reactor.running:
        Thread(target=reactor.run, kwargs={"installSignalHandlers": False}, daemon=True).start()


def wait(work: Coroutine[Any, Any, Result], timeout_s: float = 30.0) -> Result:
    """The result of `work`, run on the reactor; a failure of it is raised here."""
    running: Any = blockingCallFromThread
    return cast(Result, running(reactor, lambda: Deferred.fromCoroutine(work).addTimeout(timeout_s, reactor)))
