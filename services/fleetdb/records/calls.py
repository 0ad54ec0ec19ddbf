"""What comes in on a data realm: a call or an event, and from whom, as the router disclosed it."""

from collections.abc import Callable
from typing import Any

from attrs import field, frozen


@frozen
class Caller:
    """A session of the realm; the authid of an app is its device's serial number."""

    session: int
    authid: str
    role: str


@frozen
class Asked:
    """One call or event; `name` is what its URI has behind the prefix that it was registered with.

    `progress(*args)` sends a progressive result, where the caller asked for such. `octets` is the length of the message
    that it came in.
    """

    name: str
    args: tuple[Any, ...] = field(repr=False)
    kwargs: dict[str, Any] = field(repr=False)
    caller: Caller
    octets: int = 0
    progress: Callable[..., None] | None = None
