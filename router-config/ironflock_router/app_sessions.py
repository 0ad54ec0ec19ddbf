"""The sessions of apps: which ones end when something ends that they live from, joins that are under way included.

A join rests on facts that `auth` read. Where they change between that and the WELCOME, the ending meets no session yet:
so it is kept with every join that is under way, and a join that it concerns is refused as away. The client comes again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol, Self

import structlog
from attrs import field, frozen
from autobahn.wamp.exception import ApplicationError

from ironflock_router.expiry import CREDENTIAL_ENDED
from ironflock_router.metrics import ENDED
from ironflock_router.realm_names import DataRealm
from ironflock_router.records import Identity
from ironflock_router.wire_names import APP_READER, BOARD_ROLES

log = structlog.get_logger()

_KINDS: Final = {"project_key": int, "device_key": int, "app_key": int, "epoch_below": int, "is_legacy": bool}
_TEXTS: Final = ("realm", "serial", "role", "stage")
_ANCHORS: Final = frozenset({"project_key", "device_key", "serial", "realm"})
"""Without one of these an ending would reach into every project."""


OWN_REALM_ONLY: Final = "own_realm_only"
DUAL: Final = "dual"
"""How a project may let containers of old SDKs in, besides `strict` (decision 16)."""


class AppSession(Protocol):
    """What is needed of a session."""

    @property
    def identity(self) -> Identity | None:
        """Who it is."""

    def leave(self, reason: str | None = None, message: str | None = None) -> None:
        """End it."""


@frozen
class Ending:
    """Which sessions of apps end: those for which all that is said here holds; what is None says nothing.

    `app_key`, `stage` (`dev` or `prod`) and `epoch_below` (exclusive) speak of the credential that opened the session.
    A legacy one stands for every app of its device, in every epoch; `is_legacy` spares all others.
    """

    realm: str | None = None
    project_key: int | None = None
    device_key: int | None = None
    serial: str | None = None
    role: str | None = None
    app_key: int | None = None
    stage: str | None = None
    epoch_below: int | None = None
    is_legacy: bool | None = None

    @classmethod
    def parse(cls, conditions: dict[str, Any]) -> Self:
        """Read what a service says.

        Raises:
            ApplicationError: `wamp.error.invalid_argument`: a condition is unknown or malformed, or the conditions
                name no realm, project or device.
        """
        given = {name: value for name, value in conditions.items() if value is not None}
        fits = all(
            (type(value) is _KINDS[name] if name in _KINDS else name in _TEXTS and isinstance(value, str))
            for name, value in given.items()
        )
        if "stage" in given and fits:
            given["stage"] = given["stage"].lower()
            fits = given["stage"] in {"dev", "prod"}
        if not fits or not _ANCHORS & given.keys():
            raise ApplicationError(ApplicationError.INVALID_ARGUMENT, "not a description of apps' sessions")
        return cls(**given)

    def concerns(self, identity: Identity) -> bool:
        """Whether a session of `identity` ends; of boards, only what ends with its realm."""
        app = identity.app
        if identity.role in BOARD_ROLES:
            return self == Ending(realm=identity.realm)
        return (
            app is not None
            and self.realm in (None, identity.realm)
            and self.device_key in (None, identity.device_key)
            and self.serial in (None, identity.serial)
            and self.role in (None, identity.role)
            and (app.app_key is None or self.app_key in (None, app.app_key))
            and (app.stage is None or self.stage in (None, app.stage))
            and self.is_legacy in (None, app.app_key is None)
            and (app.epoch is None or self.epoch_below is None or app.epoch < self.epoch_below)
            and (self.project_key is None or self.project_key == _project_of(identity))
        )


def _project_of(identity: Identity) -> int | None:
    realm = DataRealm.parse(identity.realm)
    return None if realm is None else realm.project_key


@frozen(eq=False)
class Joining:
    """A join that is under way, and what has ended since it began."""

    endings: list[Ending] = field(factory=list)

    def is_over(self, identity: Identity) -> bool:
        """Whether what `identity` lives from has ended meanwhile."""
        return any(ending.concerns(identity) for ending in self.endings)


class AppSessions:
    """All sessions with the role of an app."""

    def __init__(self, sessions_per_device: int) -> None:
        """A device's apps have at most `sessions_per_device` sessions together, in all realms."""
        self._most = sessions_per_device
        self._by_serial: dict[str | None, set[AppSession]] = {}
        self._joining: set[Joining] = set()

    @contextmanager
    def join(self) -> Iterator[Joining]:
        """A join, from before anything is looked up until it is settled."""
        joining = Joining()
        self._joining.add(joining)
        try:
            yield joining
        finally:
            self._joining.discard(joining)

    def is_full(self, serial: str | None) -> bool:
        """Whether the device's apps have all the sessions that they may have."""
        return len(self._by_serial.get(serial, ())) >= self._most

    def joined(self, serial: str | None, session: AppSession) -> None:
        """A session of an app on device `serial` is in."""
        self._by_serial.setdefault(serial, set()).add(session)

    def left(self, serial: str | None, session: AppSession) -> None:
        """It is out again; of no effect for one that never was in."""
        sessions = self._by_serial.get(serial, set())
        sessions.discard(session)
        if not sessions:
            self._by_serial.pop(serial, None)

    def end(self, ending: Ending) -> int:
        """End every session that `ending` concerns; how many there were."""
        self.outdate(ending)
        # By its serial number a device is found, however many others there are.
        some = self._by_serial.values() if ending.serial is None else [self._by_serial.get(ending.serial, set())]
        concerned = [
            session
            for sessions in some
            for session in sessions
            if session.identity is not None and ending.concerns(session.identity)
        ]
        for session in concerned:
            ENDED.labels("app_ended").inc()
            session.leave(CREDENTIAL_ENDED, "what this session lived from has ended")
        return len(concerned)

    async def follow(self, *_: object, **event: object) -> None:
        """An event of `realms` about access between apps: readers end where it was revoked, and come back where not.

        The event names the provider as its readers spell it, which no session knows. Raises nothing, whatever it is.
        """
        try:
            if event["is_granted"] is False:
                of_app = {name: event[name] for name in ("project_key", "app_key")}
                self.end(Ending.parse({**of_app, "role": APP_READER}))
        except (KeyError, ApplicationError):
            log.exception("access_event_malformed")

    async def follow_legacy(self, *_: object, **event: object) -> None:
        """An event of `realms`: a project lets containers of old SDKs in otherwise. Those end that came so.

        With mode `dual` all of them may stay, with `own_realm_only` those of the realm's own app, else none. Raises
        nothing, as `follow`.
        """
        try:
            ending = {"project_key": event["project_key"], "is_legacy": True}
            if event["mode"] == OWN_REALM_ONLY:
                ending["role"] = APP_READER
            if event["mode"] != DUAL:
                self.end(Ending.parse(ending))
        except (KeyError, ApplicationError):
            log.exception("legacy_event_malformed")

    def outdate(self, ending: Ending) -> None:
        """Let no join through that is under way and that `ending` concerns."""
        for joining in self._joining:
            joining.endings.append(ending)
