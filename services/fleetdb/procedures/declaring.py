"""How a method becomes a procedure or a subscription of every data realm.

`{project}` and `{app}` in a URI are the realm's own. Registrations by prefix keep their number small, however many
tables an app has; who calls a name that is no table reads what the router would say of it.
"""

import inspect
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from attrs import frozen

from services.fleetdb.gates import Lane
from services.fleetdb.live import LiveRealm
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.calls import Asked

Method = Callable[[LiveRealm, Asked], Coroutine[Any, Any, Any]]


@frozen
class Declared:
    """What a marked method is on the bus; `uri` ends in a dot where it is a prefix, `lane` is where its calls wait."""

    uri: str
    is_topic: bool
    lane: Lane
    max_time_s: float

    @property
    def is_prefix(self) -> bool:
        """Whether it takes every URI that begins so."""
        return self.uri.endswith(".")

    def on(self, backend: Backend) -> str:
        """The URI on the realm of `backend`."""
        return self.uri.format(project=backend.project_key, app=backend.app_key)


def procedure(uri: str, lane: Lane, *, max_time_s: float = 40.0) -> Callable[[Any], Any]:
    """Mark `async def method(self, realm, asked)`: it answers calls."""
    return _mark(Declared(uri, is_topic=False, lane=lane, max_time_s=max_time_s))


def topic(uri: str, lane: Lane, *, max_time_s: float = 40.0) -> Callable[[Any], Any]:
    """Mark `async def method(self, realm, asked)`: it takes events, and nobody hears of what becomes of them."""
    return _mark(Declared(uri, is_topic=True, lane=lane, max_time_s=max_time_s))


def declared(surface: object) -> Iterator[tuple[Declared, Method]]:
    """Every marked method of `surface`, in the order of their names."""
    for _, method in inspect.getmembers(surface, inspect.iscoroutinefunction):
        declaration = getattr(method, "declared", None)
        if isinstance(declaration, Declared):
            yield declaration, method


def _mark(declaration: Declared) -> Callable[[Any], Any]:
    def mark(method: Any) -> Any:
        method.declared = declaration
        return method

    return mark
