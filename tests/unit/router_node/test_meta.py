"""Whom a meta event reaches."""

from typing import Any

import pytest
from autobahn.wamp.types import PublishOptions

from ironflock_router.meta import NOBODY, MetaEvents
from ironflock_router.records import Identity


class Session:
    """A joined session."""

    def __init__(self, number: int, serial: str | None = None) -> None:
        """Numbered, and a device where it has a serial."""
        self._session_id = number
        self.identity = Identity("realm1", str(number), "device", "wampcra", serial=serial)


class Map:
    """An observation map."""

    def __init__(self) -> None:
        """Empty."""
        self._observation_id_to_observation: dict[int, Any] = {}


class Part:
    """Broker and dealer in one."""

    def __init__(self) -> None:
        """Nothing is subscribed or registered."""
        self._subscription_map = self._registration_map = Map()


class Router:
    """The books of a router that the filter reads."""

    def __init__(self) -> None:
        """Two devices, a service, a person, and the router itself."""
        self._broker = self._dealer = Part()
        self._authrole_to_sessions = {
            "svc_devices": {Session(1)},
            "user": {Session(5)},
            "trusted": {Session(99)},
        }


class Case:
    """A filter, and what it published."""

    def __init__(self) -> None:
        """Nothing published yet."""
        self.published: list[tuple[str, list[int] | None]] = []
        self.router = Router()
        self.events = MetaEvents(self.router, self._publish)  # type: ignore[arg-type]  # the books of one
        for number in (7, 8):
            self.events.device_joined(f"S{number}", Session(number, f"S{number}"))

    def _publish(self, topic: str, *_: Any, options: PublishOptions | None = None) -> None:
        eligible: Any = options.eligible if options else None
        self.published.append((topic, sorted(eligible) if eligible else None))

    def publish(self, topic: str, *args: Any, **kwargs: Any) -> list[int] | None:
        """Publish, and return who is eligible."""
        self.events.publish(topic, *args, **kwargs)
        return self.published[-1][1]


def test_the_beginning_reaches_services_and_the_device_whose_serial_is_a_segment() -> None:
    case = Case()
    for uri, expected in (("reswarm.logs.S7.x", [1, 7]), ("a.S7x.b", [1]), ("x.S8", [1, 8]), ("S7.S8", [1, 7, 8])):
        assert case.publish("wamp.subscription.on_create", 4711, {"id": 1, "uri": uri}) == expected


def test_the_end_reaches_the_same_although_it_names_an_id_only() -> None:
    case = Case()
    case.publish("wamp.registration.on_create", 4711, {"id": 3, "uri": "re.mgmt.S8.x"})
    assert case.publish("wamp.registration.on_unregister", 4711, 3) == [1, 8]
    assert case.publish("wamp.registration.on_delete", 4711, 3) == [1, 8]
    assert case.publish("wamp.registration.on_unregister", 4711, 3) == [1]


def test_an_unknown_id_reaches_services_only() -> None:
    assert Case().publish("wamp.subscription.on_delete", 4711, 12345) == [1]


def test_where_nobody_may_hear_it_nobody_does() -> None:
    case = Case()
    case.router._authrole_to_sessions = {"user": {Session(5)}}
    assert case.publish("wamp.subscription.on_create", 4711, {"id": 1, "uri": "a.b"}) == [NOBODY]


def test_options_of_the_event_are_kept() -> None:
    case = Case()
    options = PublishOptions(exclude_authid=["x"])
    case.publish("wamp.subscription.on_delete", 4711, 1, options=options)
    assert options.exclude_authid == ["x"]
    assert options.eligible == [1]


@pytest.mark.parametrize("topic", ["wamp.session.on_join", "wamp.session.on_leave"])
def test_session_events_are_for_the_table_alone(topic: str) -> None:
    assert Case().publish(topic, 4711) is None


def test_registrations_are_told_to_who_watches_them() -> None:
    case, told = Case(), []
    case.events.on_registration.append(lambda: told.append(1))
    watched = "reswarm.devices.read_device_metadata"
    case.publish("wamp.registration.on_create", 1, {"id": 1, "uri": watched})
    case.publish("wamp.subscription.on_create", 1, {"id": 2, "uri": watched})
    case.publish("wamp.registration.on_create", 1, {"id": 3, "uri": "re.mgmt.S7.x"})
    assert told == [1]


def test_a_session_that_is_over_hears_nothing_and_an_older_one_does_not_silence_a_newer() -> None:
    case = Case()
    older, newer = Session(9, "S9"), Session(10, "S9")
    case.events.device_joined("S9", older)
    case.events.device_joined("S9", newer)
    case.events.device_left("S9", older)
    assert case.publish("wamp.subscription.on_create", 4711, {"id": 1, "uri": "a.S9"}) == [1, 10]
    case.events.device_left("S9", newer)
    assert case.publish("wamp.subscription.on_create", 4711, {"id": 2, "uri": "a.S9"}) == [1]


def test_what_ends_without_an_event_is_forgotten_in_time() -> None:
    case = Case()
    for number in range(10_000):
        case.publish("wamp.registration.on_create", 1, {"id": number, "uri": "a.S7"})
    assert len(case.events._uris) < 5000
