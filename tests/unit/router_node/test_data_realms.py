"""How a data realm starts and ends, turn by turn: without a router."""

from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from ironflock_router.app_sessions import AppSessions
from ironflock_router.data_realms import DataRealms
from ironflock_router.loops import turn

REALM = "realm-2-26-dev"


class Session:
    """A session in a realm's router: Crossbar's own, or a client's."""

    def __init__(self) -> None:
        """Joined."""
        self.left: list[str | None] = []

    def leave(self, reason: str | None = None, message: str | None = None) -> None:
        """Note that it was told to go."""
        assert message or reason is None
        self.left.append(reason)


class Router:
    """A realm's router."""

    def __init__(self, realm: str, own: Session) -> None:
        """With Crossbar's own session in it."""
        self.realm = realm
        self._session_id_to_session: dict[int, Session] = {1: own}


class Books:
    """The realms that run."""

    def __init__(self) -> None:
        """None runs."""
        self.routers: dict[str, Router] = {}
        self.own: dict[str, Session] = {}
        self.stopped: list[str] = []
        self.started = 0

    def start(self, realm: str) -> Router:
        """Start it; nobody starts one that runs."""
        assert realm not in self.routers
        self.started += 1
        self.own[realm] = Session()
        self.routers[realm] = Router(realm, self.own[realm])
        return self.routers[realm]

    def router(self, realm: str) -> Router:
        """The router of a realm."""
        return self.routers[realm]

    def own_session(self, realm: str) -> Session:
        """Crossbar's own in it."""
        return self.own[realm]

    async def stop(self, realm: str, reactor: Any) -> None:
        """End it, in the next turn."""
        self.stopped.append(realm)
        await turn(reactor)
        del self.routers[realm], self.own[realm]


def books() -> Any:
    """Realms, as far as they are looked at."""
    return Books()


class Case:
    """Data realms, and what came of them."""

    def __init__(self) -> None:
        """None runs."""
        self.clock = Clock()
        self.books = books()
        self.roles: list[str] = []
        self.ended: list[str] = []
        self.apps = AppSessions(10)
        self.realms = DataRealms(
            self.books, self.clock, self.apps, lambda router: self.roles.append(router.realm), self.ended.append
        )

    def open(self, realm: str = REALM) -> Any:
        """Whether it can be joined; in one turn."""
        return self.done(self.realms.open(realm))

    def end(self, realm: Any = REALM) -> list[Any]:
        """The outcome, as soon as there is one."""
        outcome: list[Any] = []
        Deferred.fromCoroutine(self.realms.end(realm)).addBoth(outcome.append)  # type: ignore[unused-awaitable]
        return outcome

    def follow(self, *args: Any, **event: Any) -> None:
        """An event of realms, to its end."""
        outcome: list[Any] = []
        Deferred.fromCoroutine(self.realms.follow(*args, **event)).addBoth(outcome.append)  # type: ignore[unused-awaitable]
        self.turns()
        assert outcome == [None]

    def turns(self) -> None:
        """Some turns of the reactor."""
        self.clock.pump([0] * 5)

    @staticmethod
    def done(coroutine: Any) -> Any:
        """What `coroutine` brings without waiting."""
        outcome: list[Any] = []
        Deferred.fromCoroutine(coroutine).addBoth(outcome.append)  # type: ignore[unused-awaitable]
        assert outcome, "it waits for something"
        return outcome[0]


def test_a_realm_is_started_once_and_with_its_roles_in_one_turn() -> None:
    case = Case()
    assert [case.open(), case.open(), case.open("realm-2-26-prod")] == [True, True, True]
    assert case.books.started == 2
    assert case.roles == [REALM, "realm-2-26-prod"]


def test_while_a_realm_ends_nobody_joins_it_and_afterwards_it_starts_anew() -> None:
    case = Case()
    case.open()
    outcome, turns = case.end(), 0
    while not outcome:
        assert case.open() is False
        assert case.open("realm-2-26-prod") is True
        case.clock.advance(0)
        turns += 1
    assert (outcome, case.ended) == ([{"ended": 0}], [REALM])
    assert turns > 0
    assert case.open() is True
    assert case.roles == [REALM, "realm-2-26-prod", REALM]


def test_everybody_in_the_realm_is_told_and_crossbars_own_session_goes_last() -> None:
    case = Case()
    case.open()
    clients = [Session(), Session()]
    router = case.books.router(REALM)
    router._session_id_to_session |= dict(enumerate(clients, 2))
    outcome = case.end()
    assert [client.left for client in clients] == [["wamp.close.realm_gone"]] * 2
    assert case.books.stopped == []
    case.turns()
    assert outcome == [{"ended": 2}]
    assert case.books.stopped == [REALM]


def test_a_second_end_meanwhile_and_one_of_a_realm_that_does_not_run_do_nothing() -> None:
    case = Case()
    assert case.end() == [{"ended": 0}]
    case.open()
    first, second = case.end(), case.end()
    assert (first, second) == ([], [{"ended": 0}])
    case.turns()
    assert case.ended == [REALM]


def test_an_end_reaches_the_joins_that_are_under_way_even_where_no_realm_runs() -> None:
    case = Case()
    with case.apps.join() as joining:
        case.end()
        assert {ending.realm for ending in joining.endings} == {REALM, None}


@pytest.mark.parametrize("realm", ["realm1", "ironflock.system", "", None, 5, "realm-2-26-DEV", "realm-02-26-dev"])
def test_what_is_no_data_realm_is_not_ended(realm: Any) -> None:
    [failure] = Case().end(realm)
    assert failure.check(ApplicationError)
    assert failure.value.error == "wamp.error.invalid_argument"


def test_an_uninstalled_app_takes_its_realm_with_it() -> None:
    case = Case()
    case.open()
    event: dict[str, Any] = {"project_key": 2, "app_key": 26, "stage": "DEV"}
    for change in ({"is_installed": True}, {}, {"is_installed": None}, {"app_key": 27, "is_installed": False}):
        case.follow(**{**event, **change})
    case.follow("nonsense", project_key=2)
    case.follow(**{**event, "stage": "x"}, is_installed=False)
    assert case.ended == []
    case.follow(**event, is_installed=False)
    assert case.ended == [REALM]


def test_a_failure_of_crossbar_does_not_keep_a_realm_half_ended() -> None:
    case = Case()
    case.open()

    async def fail(*_: Any) -> None:
        raise RuntimeError("Crossbar")

    case.books.stop = fail
    case.follow(project_key=2, app_key=26, stage="DEV", is_installed=False)
    assert case.ended == [REALM]
