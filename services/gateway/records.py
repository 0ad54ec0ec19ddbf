"""What travels between the rooms of the gateway."""

from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import Any, Final

from attrs import field, frozen

JSON_TYPE: Final = "application/json"
TEXTS: Final = frozenset(
    {"session", "passkey", "key_id", "client_id", "stage", "version", "terminal", "cluster", "cell"}
)
"""What stands in a path as text."""
BASE_PATH: Final = "/v1/ironflock"
DECISIONS_PATH: Final = "/access/v1"
Headers = tuple[tuple[str, str], ...]


class Kind(Enum):
    """How a text of path or query is read; `EITHER` is a whole number where it looks like one, else a name."""

    TEXT = "text"
    WHOLE = "whole"
    KEY = "key"
    KEYS = "keys"
    NAMES = "names"
    EITHER = "either"
    FLAG = "flag"


@frozen
class Route:
    """One call: method and path below `BASE_PATH`, the procedure, and what becomes which of its arguments.

    `path` tells the argument of each placeholder; all are keys but those of `TEXTS`.
    `query` tells how each parameter is read, `body` which fields there are; both have the names of the arguments.
    `many` names what asks for several calls in one request: an array as body, or the query's parameter of that name.
    `is_secret` says that the answer shows what must not be kept: a secret, or everything about a person.
    """

    method: str
    template: str
    procedure: str
    path: Mapping[str, str] = field(factory=dict)
    query: Mapping[str, Kind] = field(factory=dict)
    body: tuple[str, ...] | None = None
    status: int = 200
    many: str = ""
    is_secret: bool = False

    @property
    def segments(self) -> tuple[str, ...]:
        """The parts of the path."""
        return tuple(self.template.strip("/").split("/"))


@frozen
class Asked:
    """A request as it came: nothing in it is believed. `headers` have names in lower case, each with every value."""

    method: str
    path: str
    query: str
    headers: Mapping[str, tuple[str, ...]] = field(repr=False)
    body: bytes = field(repr=False)
    address: str

    def header(self, name: str) -> tuple[str, ...]:
        """Every value of the header `name`."""
        return self.headers.get(name, ())


@frozen
class Wanted:
    """A request that was understood: the calls that it asks for, in order, and its idempotency key."""

    route: Route
    calls: tuple[dict[str, Any], ...]
    is_many: bool
    key: str | None


@frozen
class Proof:
    """What lets one call be made in somebody's name, and whose it is; `credential` names what proved it."""

    assertion: str = field(repr=False)
    account_key: int
    credential: str


@frozen
class Answer:
    """What goes back."""

    status: int
    content: bytes = field(default=b"", repr=False)
    headers: Headers = ()


@frozen
class Entity:
    """A subject or a resource as AuthZEN names it; `name` is its id, empty where a search looks for it."""

    kind: str
    name: str


@frozen
class Evaluation:
    """One question of AuthZEN: may the subject do this with the resource?"""

    subject: Entity
    action: str
    resource: Entity


@frozen
class Decided:
    """The answer to one: `context` is an object of JSON that says why."""

    decision: bool
    context: dict[str, Any]


class Semantic(StrEnum):
    """How far many questions are answered, in the words of the Authorization API 1.0, section 7.1.2.1."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"


@frozen
class Batch:
    """Many questions in one request; what could not be understood of them is decided already."""

    evaluations: tuple[Evaluation | Decided, ...]
    semantic: Semantic


class Sought(StrEnum):
    """What a search looks for."""

    SUBJECT = "subject"
    RESOURCE = "resource"
    ACTION = "action"


@frozen
class Page:
    """Which part of all that is found is wanted; `fingerprint` tells the search apart from others."""

    limit: int
    cursor: str | None
    fingerprint: str


@frozen
class Search:
    """A search, understood: the procedure that answers it, its arguments, and None where nothing can be found."""

    sought: Sought
    kind: str
    procedure: str
    arguments: dict[str, Any] | None
    page: Page


@frozen
class Kept:
    """What is known of an earlier request with the same key; no status: it is still being answered."""

    fingerprint: bytes
    status: int | None
    content: bytes | None = field(repr=False)


@frozen
class Rate:
    """So many in so many seconds; all of them may come at once."""

    count: int
    period_s: float


@frozen
class Verdict:
    """Whether one more may pass; `arrival` is what to remember, times are in seconds from now."""

    is_allowed: bool
    arrival: float
    remaining: int
    reset_s: float
    retry_after_s: float


class HttpRefusedError(Exception):
    """What HTTP itself is refused with, before any procedure is asked; `code` is stable, `details` are JSON values."""

    def __init__(self, code: str, message: str, *, headers: Headers = (), **details: Any) -> None:
        """Refuse with `message`, a sentence that says what to do."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.headers = headers
        self.details = details
