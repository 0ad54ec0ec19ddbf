"""Where a person is signed in, and sign-ins that are half done."""

from datetime import datetime
from typing import Annotated, Final, Literal

from attrs import field, frozen
from msgspec import Meta

from services.auth.records.fields import ShortText

SessionKind = Literal["browser", "application"]
Method = Literal["totp", "passkey", "recovery"]
Cookie = Annotated[str, Meta(max_length=256)]

BROWSER_LIFE_S: Final = 30 * 86_400
BROWSER_IDLE_S: Final = 12 * 3_600
APPLICATION_LIFE_S: Final = 90 * 86_400
SESSION_KEPT_S: Final = 90 * 86_400
"""For how long a session that has ended is still there, with where it was used from."""
SIGN_IN_LIFE_S: Final = 600
SEEN_RESOLUTION_S: Final = 60
USER_AGENT_LENGTH: Final = 256


@frozen
class Source:
    """Where a request comes from: a network address, and what its program says of itself."""

    address: str
    user_agent: str


@frozen
class Session:
    """A session that is alive. `amr` says by what (RFC 8176); `factor_at` is when a second factor was shown last."""

    session_id: str
    account_key: int
    kind: SessionKind
    client_id: str | None
    amr: list[str]
    address: str
    user_agent: str
    created_at: datetime
    authenticated_at: datetime
    factor_at: datetime | None
    last_seen_at: datetime
    last_address: str
    ends_at: datetime


@frozen
class NewSession:
    """A session with the values that open it, in clear this once; only their hashes are kept."""

    session: Session
    cookie: str = field(repr=False)
    browser: str = field(repr=False)


@frozen
class HalfSignIn:
    """A sign-in that waits for its second factor, or a challenge that waits for its passkey."""

    purpose: Literal["sign_in", "step_up", "enrolment"]
    account_key: int | None
    session_id: str | None
    challenge: bytes | None = field(repr=False)
    failures: int
    is_known_browser: bool
    upstream_id: str | None = None
    """The sign-in by another provider that was the first step, where it was not a password."""


@frozen
class NeedsFactor:
    """The password was right; `token` goes on with one of `methods`."""

    token: str = field(repr=False)
    methods: tuple[Method, ...]


@frozen
class SignedIn:
    """Done."""

    new: NewSession


@frozen
class EndSession:
    """`ironflock.auth.session.end`."""

    session: ShortText


@frozen
class EndSessions:
    """`ironflock.auth.session.end_all`: all of the caller's, or all but the one that asks."""

    but_this: bool = True


@frozen
class SessionView:
    """A session as its person sees it; `is_this` marks the one that asks."""

    session: str
    kind: SessionKind
    client: str | None
    methods: list[str]
    address: str
    user_agent: str
    created_at: datetime
    last_seen_at: datetime
    last_address: str
    ends_at: datetime
    is_this: bool


@frozen
class SessionList:
    """`ironflock.auth.session.list`, the newest first."""

    sessions: list[SessionView]


@frozen
class EndedSessions:
    """How many were ended."""

    ended: int
