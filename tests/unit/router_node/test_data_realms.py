"""How a data realm starts and ends, turn by turn: over the controller's books, without a router."""

from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from ironflock_router.app_sessions import AppSessions
from ironflock_router.data_realms import DataRealms

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


class Realm:
    """A realm as the controller knows it."""

    def __init__(self) -> None:
        """With a session of Crossbar's own."""
        self.session = Session()


class Controller:
    """The books of Crossbar's controller that are read and written, and of its factories."""

    def __init__(self) -> None:
        """Nothing runs."""
        self.realms: dict[str, Realm] = {}
        self.realm_to_id: dict[str, str] = {}
        self._service_sessions: dict[str, Session] = {}
        self._routers: dict[str, Router] = {}
        self.router_factory = self._router_session_factory = self
        self.removed: list[Session] = []
        self.started = 0

    def has_realm(self, realm: str) -> bool:
        """As Crossbar's."""
        return realm in self.realm_to_id and self.realm_to_id[realm] in self.realms

    def realm_by_name(self, realm: str) -> Realm:
        """As Crossbar's."""
        return self.realms[self.realm_to_id[realm]]

    def start_router_realm(self, realm: str, config: dict[str, Any]) -> None:
        """As Crossbar's: refuses a realm that it knows."""
        assert config == {"name": realm, "roles": []}
        assert realm not in self.realms
        self.started += 1
        self.realms[realm] = Realm()
        self.realm_to_id[realm] = realm
        self._service_sessions[realm] = self.realms[realm].session
        self._routers[realm] = Router(realm, self.realms[realm].session)

    def get(self, realm: str) -> Router | None:
        """The router of a realm."""
        return self._routers.get(realm)

    def remove(self, session: Session) -> None:
        """Take Crossbar's own session out."""
        self.removed.append(session)


def books() -> Any:
    """A controller, as far as it is looked at."""
    return Controller()


class Case:
    """Data realms, and what came of them."""

    def __init__(self) -> None:
        """None runs."""
        self.clock = Clock()
        self.controller = books()
        self.roles: list[str] = []
        self.ended: list[str] = []
        self.apps = AppSessions(10)
        self.realms = DataRealms(
            self.controller, self.clock, self.apps, lambda router: self.roles.append(router.realm), self.ended.append
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
    assert case.controller.started == 2
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


def test_the_end_leaves_nothing_of_it_in_the_books() -> None:
    case = Case()
    case.open()
    own = case.controller.realms[REALM].session
    case.end()
    case.turns()
    controller = case.controller
    assert controller.removed == [own]
    assert own.left == [None]
    for book in (controller.realms, controller.realm_to_id, controller._service_sessions, controller._routers):
        assert book == {}


def test_everybody_in_the_realm_is_told_and_crossbars_own_session_goes_last() -> None:
    case = Case()
    case.open()
    clients = [Session(), Session()]
    router = case.controller.get(REALM)
    router._session_id_to_session |= dict(enumerate(clients, 2))
    outcome = case.end()
    assert [client.left for client in clients] == [["wamp.close.realm_gone"]] * 2
    assert case.controller.removed == []
    case.turns()
    assert outcome == [{"ended": 2}]


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

    def fail(_: Session) -> None:
        raise RuntimeError("Crossbar")

    case.controller.remove = fail
    case.follow(project_key=2, app_key=26, stage="DEV", is_installed=False)
    assert case.ended == [REALM]
