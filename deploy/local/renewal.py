"""The certificates of a running platform, renewed in time. A failure is told, shown by `status`, and tried again."""

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from deploy.local.authority import Order, load_authority, renew

LOOK_S: Final = 1.0


@frozen
class Surroundings:
    """What a renewal reaches: clocks, terminal, and who must hear of new certificates or of another `problem`."""

    reactor: IReactorTime
    now: Callable[[], dt.datetime]
    say: Callable[[str], None]
    renewed: Callable[[], None]
    changed: Callable[[], None]


class Renewal:
    """Looks at `orders` again and again, and as soon as another CA signs.

    `problem` says which could not be renewed, empty when all is well.
    """

    def __init__(self, authority: Path, orders: Sequence[Order], around: Surroundings) -> None:
        """Of the CA in the folder `authority`; nothing happens before `start`."""
        self.problem = ""
        self._authority = authority
        self._seen = _stamp(authority)
        self._due_at = 0.0
        self._interval_s = LOOK_S
        self._orders = orders
        self._around = around
        self._calls = LoopingCall(self._act)
        self._calls.clock = around.reactor

    def start(self, interval_s: float) -> None:
        """Look every `interval_s` seconds from now on."""
        self._interval_s = interval_s
        self._due_at = self._around.reactor.seconds() + interval_s
        self._calls.start(min(LOOK_S, interval_s), now=False)  # type: ignore[unused-awaitable]  # it ends by `stop` only

    def stop(self) -> None:
        """End; of no effect while it does not run."""
        if self._calls.running:
            self._calls.stop()

    def _act(self) -> None:
        now, seen = self._around.reactor.seconds(), _stamp(self._authority)
        if now < self._due_at and seen == self._seen:
            return
        self._due_at, self._seen = now + self._interval_s, seen
        try:
            self._renew_all()
        except Exception as error:  # noqa: BLE001 - an end of this loop would be the end of every certificate
            self._note(f"certificates: {_in_words(error)}")

    def _renew_all(self) -> None:
        renewed, failed = [], []
        authority = load_authority(self._authority)
        for order in self._orders:  # each by itself: one that cannot be written keeps no other from its renewal
            name = order.certificate.stem
            try:
                if renew(authority, [order], self._around.now()):
                    renewed.append(name)
            except Exception as error:  # noqa: BLE001 - whatever it is: two thirds of a life leave time to mend it
                failed.append(f"{name}: {_in_words(error)}")
        self._note("; ".join(failed))
        if renewed:
            self._around.say(f"renewed the certificates of {', '.join(renewed)}")
            self._around.renewed()

    def _note(self, problem: str) -> None:
        """Tell of a problem once, not once a minute, and of its end."""
        if problem == self.problem:
            return
        self.problem = problem
        told = f"certificates could not be renewed, to be tried again: {problem}"
        self._around.say(told if problem else "all certificates can be renewed again")
        self._around.changed()


def _stamp(folder: Path) -> int | None:
    """Another one after each change of who signs."""
    try:
        return (folder / "ca.key").stat().st_ino
    except OSError:
        return None


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
