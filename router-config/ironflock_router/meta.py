"""realm1 is shared by all projects: what its meta events and procedures tell is cut to the caller's own (decision 10).

Crossbar tells every subscriber of `wamp.subscription.*` and `wamp.registration.*` about everybody's subscriptions and
registrations. Agents need these events for their own log topics and terminals. So each event goes to services, and to
the device whose serial is a segment of the URI in question, and `wamp.subscription.match` is answered to a device for
such URIs only.

The patch: all meta events of a realm are published by one object, its service agent, through its method `publish`. This
file puts its own in front of that one instance's. Events about an end name an id only, so the URIs are remembered from
the events about the beginning.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from autobahn.wamp.types import PublishOptions

from ironflock_router.records import Identity
from ironflock_router.wire_names import AGENT_PROCEDURES, SERVICE_ROLES

if TYPE_CHECKING:
    from crossbar.router.router import Router

FILTERED: Final = ("wamp.subscription.", "wamp.registration.")
NOBODY: Final = 0
"""No session has this id: Crossbar takes an empty list of eligible sessions for no list at all."""
REMEMBERED_AT_LEAST: Final = 4096
_WATCHED: Final = frozenset({*AGENT_PROCEDURES, ""})
"""Without a URI, where an end names an id that was never told of, it may have been one of them."""


class MetaEvents:
    """Stands before a realm's own publisher of meta events."""

    def __init__(self, router: "Router", publish: Callable[..., Any]) -> None:
        """`publish` is what the realm's service agent did before."""
        self._router = router
        self._publish = publish
        self._uris: dict[int, str] = {}
        self._devices: dict[str, Any] = {}
        self.on_registration: list[Callable[[], None]] = []
        """Called after each event about a registration of something that agents call."""

    def device_joined(self, serial: str, session: Any) -> None:
        """The device is there, with this session: found by its serial, however many others there are."""
        self._devices[serial] = session

    def device_left(self, serial: str, session: Any) -> None:
        """The session is over."""
        if self._devices.get(serial) is session:
            del self._devices[serial]

    def publish(self, topic: str, *args: Any, **kwargs: Any) -> Any:
        """Publish a meta event to those whom it concerns."""
        if not topic.startswith(FILTERED):
            return self._publish(topic, *args, **kwargs)
        uri = self._uri_of(topic, args)
        options = kwargs.pop("options", None) or PublishOptions()
        options.eligible = self._eligible(uri)
        published = self._publish(topic, *args, options=options, **kwargs)
        if topic.startswith("wamp.registration.") and uri in _WATCHED:
            for observer in self.on_registration:
                observer()
        return published

    def _uri_of(self, topic: str, args: tuple[Any, ...]) -> str:
        subject: Any = args[1] if len(args) > 1 else None
        if isinstance(subject, dict):
            self._uris[subject["id"]] = subject["uri"]
            self._forget_gone()
            return str(subject["uri"])
        if topic.endswith(".on_delete"):
            return self._uris.pop(subject, "")
        return self._uris.get(subject, "")

    def _eligible(self, uri: str) -> list[int]:
        members: Any = self._router._authrole_to_sessions  # noqa: SLF001 - the router's own book
        listening = [session for role in SERVICE_ROLES for session in members.get(role, ())]
        listening += [self._devices[segment] for segment in set(uri.split(".")) if segment in self._devices]
        sessions = [session._session_id for session in listening if session._session_id]  # noqa: SLF001
        return sessions or [NOBODY]

    def _forget_gone(self) -> None:
        # Crossbar does not report every end (a registration that is taken over ends without an event).
        live = _observations(self._router)
        if len(self._uris) > 2 * sum(map(len, live)) + REMEMBERED_AT_LEAST:
            self._uris = {key: uri for key, uri in self._uris.items() if any(key in known for known in live)}


def _observations(router: "Router") -> tuple[dict[int, Any], dict[int, Any]]:
    subscriptions, registrations = router._broker._subscription_map, router._dealer._registration_map  # noqa: SLF001
    return subscriptions._observation_id_to_observation, registrations._observation_id_to_observation  # noqa: SLF001


def confine_meta_events(router: "Router", service_agent: Any) -> MetaEvents:
    """Put `MetaEvents` in front of a realm's service agent."""
    events = MetaEvents(router, service_agent.publish)
    service_agent.publish = events.publish
    return events


def is_about(identity: Identity, topic: object) -> bool:
    """Whether a device may ask who subscribes `topic`: its own serial must be a segment of it."""
    return isinstance(topic, str) and identity.serial in topic.split(".")
