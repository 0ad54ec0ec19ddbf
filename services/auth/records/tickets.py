"""What opens the bus to a person, and what proves their wish."""

from typing import Annotated

from attrs import field, frozen
from msgspec import Meta

from services.auth.records.fields import MAX_ITEMS, Key, ShortText, Ticket


@frozen
class VerifyTicket:
    """`ironflock.auth.ticket.verify`: an API key or an access token, and where it came from."""

    ticket: Ticket = field(repr=False)
    address: ShortText = ""


@frozen
class VerifiedTicket:
    """Whose ticket it is, how far it reaches, and until when (Unix seconds).

    `credential` is the id of a key or of a session; of a client, where that acts for itself.
    """

    account_key: int
    credential: str
    scopes: list[str]
    ends_at: float


@frozen
class NamedCredential:
    """What somebody has something open by: the id of an API key, session, family of tokens, or client, and whose."""

    account_key: Key
    credential: ShortText


@frozen
class AskCredentials:
    """`ironflock.auth.credential.standing`."""

    credentials: Annotated[list[NamedCredential], Meta(max_length=MAX_ITEMS)]


@frozen
class StandingCredential:
    """It opens something still, and until when (Unix seconds; ten years on where it has no end)."""

    account_key: int
    credential: str
    ends_at: float


@frozen
class AliveCredential:
    """As the rows have it; `owner_key` is whose account it is, where it is a service account."""

    standing: StandingCredential
    owner_key: int | None


@frozen
class IssueAssertion:
    """`ironflock.auth.assertion.issue`; `address` is where the request came from."""

    ticket: Ticket = field(repr=False)
    audience: ShortText
    procedure: ShortText
    arguments_hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    address: ShortText = ""


@frozen
class IssuedAssertion:
    """The assertion in compact form."""

    assertion: str = field(repr=False)
