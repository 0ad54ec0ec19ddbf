"""What travels between the rooms of auth, and the shapes of its procedures."""

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID

from attrs import field, frozen
from msgspec import Meta

Key = Annotated[int, Meta(ge=1, le=2**53 - 1)]
ShortText = Annotated[str, Meta(max_length=256)]
Ticket = Annotated[str, Meta(max_length=4096)]

FIRST_KEY_LIFE: Final = timedelta(days=90)
FIRST_KEY_NAME: Final = "first key"
ERASED_KEY_NAME: Final = "erased"
EVERYTHING: Final = ("*",)
USE_RESOLUTION: Final = timedelta(minutes=1)
DATA_KEY_LIFE: Final = timedelta(days=90)
MAX_ITEMS: Final = 1_000


@frozen
class Account:
    """A person's account; `login_name` is personal."""

    account_key: int
    login_name: str
    state: Literal["active", "disabled"]
    erased_at: datetime | None


@frozen
class ApiKey:
    """An API key as it is stored, with the state of its account; `key_hash` is SHA-256 of the whole key."""

    key_id: str
    account_key: int
    key_hash: bytes = field(repr=False)
    scopes: list[str]
    ends_at: datetime
    ended_at: datetime | None
    account_state: Literal["active", "disabled"]


@frozen
class DeviceCredential:
    """A device's credential as it is stored; the secrets are sealed."""

    device_key: int
    project_key: int
    serial_number: UUID
    state: Literal["active", "ended"]
    flash_id: UUID
    secret: bytes = field(repr=False)
    app_cred_key: bytes = field(repr=False)
    tunnel_proof_digest: bytes = field(repr=False)


@frozen
class DeviceSecrets:
    """What flashing hands over, in clear; shown to nobody else."""

    secret: str = field(repr=False)
    app_cred_key: str = field(repr=False)


@frozen
class AssertionKey:
    """A key that signs assertions: its public JWK, the private one sealed."""

    key_id: str
    public_jwk: dict[str, str]
    sealed: bytes = field(repr=False)


@frozen
class SealedRow:
    """A sealed value, where it lies, and the context it was sealed for: what a new data key works through."""

    table: str
    key_column: str
    key: int | str
    column: str
    place: str
    sealed: bytes = field(repr=False)


@frozen
class FindDeviceCredential:
    """`ironflock.auth.device_credential.find`."""

    authid: ShortText


@frozen
class FoundDeviceCredential:
    """What the router needs to let a device in."""

    state: Literal["active", "ended"]
    secret: str = field(repr=False)
    device_key: int
    project_key: int
    serial_number: UUID
    flash_id: UUID


@frozen
class IssueDeviceCredential:
    """`ironflock.auth.device_credential.issue`; the same `flash_id` gets the same answer."""

    flash_id: UUID
    device_key: Key
    project_key: Key
    serial_number: UUID


@frozen
class DeviceKey:
    """`ironflock.auth.device_credential.end`, `ironflock.auth.app_cred_key.find`."""

    device_key: Key


@frozen
class AccountKey:
    """`ironflock.auth.account.find`."""

    account_key: Key


@frozen
class VerifyTicket:
    """`ironflock.auth.ticket.verify`: an API key, and where it came from."""

    ticket: Ticket = field(repr=False)
    address: ShortText = ""


@frozen
class VerifiedTicket:
    """Whose ticket it is; `ends_at` in Unix seconds."""

    account_key: int
    credential: str
    ends_at: float


@frozen
class IssueAssertion:
    """`ironflock.auth.assertion.issue`."""

    ticket: Ticket = field(repr=False)
    audience: ShortText
    procedure: ShortText
    arguments_hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


@frozen
class IssuedAssertion:
    """The assertion in compact form."""

    assertion: str = field(repr=False)


@frozen
class PublicAccount:
    """What an account shows of itself."""

    account_key: int
    login_name: str


@frozen
class PersonalItem:
    """A value as an audit entry holds it: whose it is, the sealed octets in base64, and what they were sealed for."""

    account_key: Key
    sealed: Annotated[str, Meta(max_length=65_536)] = field(repr=False)
    context: ShortText


@frozen
class OpenPersonal:
    """`ironflock.auth.personal.open`."""

    items: Annotated[list[PersonalItem], Meta(max_length=MAX_ITEMS)] = field(repr=False)


@frozen
class EraseAccount:
    """`ironflock.auth.account.erase`: `confirm` is the login name of the account itself."""

    confirm: ShortText = field(repr=False)
    with_projects: bool = False


@frozen
class Receipt:
    """What an erased person keeps: when it was, and the entry of the audit log that says so."""

    account_key: int
    erased_at: datetime
    entry: Literal["account.erased"] = "account.erased"


@frozen
class AccountKeys:
    """`ironflock.auth.account.find_erased`."""

    account_keys: Annotated[list[Key], Meta(max_length=MAX_ITEMS)]
