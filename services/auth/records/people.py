"""People: their accounts with what they sign in by, invitations, links, what they ask for."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from attrs import field, frozen
from msgspec import Meta

from services.auth.records.factors import FactorOverview
from services.auth.records.fields import Key, ShortText

Purpose = Literal["invitation", "verification", "reset", "setup", "old_address", "new_address"]
Locale = Literal["en", "de"]
Password = Annotated[str, Meta(max_length=1024)]
Reason = Annotated[str, Meta(max_length=1000)]

LOCALES: Final[tuple[Locale, ...]] = ("en", "de")
LINK_LIFE_S: Final[dict[Purpose, int]] = {
    "invitation": 7 * 86_400,
    "verification": 7 * 86_400,
    "reset": 1_800,
    "setup": 1_800,
    "old_address": 86_400,
    "new_address": 86_400,
}


@frozen
class PersonAccount:
    """An account with all that its person signs in by; `login_name` and `display_name` are personal."""

    account_key: int
    login_name: str
    display_name: str
    locale: Locale
    kind: Literal["person", "service"]
    owner_key: int | None
    state: Literal["pending", "active", "disabled"]
    is_first_owner: bool
    user_handle: UUID
    password_hash: str | None = field(repr=False)
    password_changed_at: datetime | None
    verified_at: datetime | None
    created_at: datetime
    erased_at: datetime | None

    @property
    def can_sign_in(self) -> bool:
        """Whether this is an active person."""
        return self.state == "active" and self.kind == "person" and self.erased_at is None


@frozen
class Link:
    """A link that is open: for what, for whom, and the address that a change of address would set."""

    purpose: Purpose
    account_key: int
    address: str | None
    created_by: int | None


@frozen
class InvitePerson:
    """`ironflock.auth.account.invite`."""

    address: ShortText
    locale: Locale = "en"


@frozen
class Invitation:
    """A person who is invited and has not come yet."""

    account_key: int
    address: str
    invited_at: datetime
    ends_at: datetime


@frozen
class InvitationList:
    """`ironflock.auth.invitation.list`."""

    invitations: list[Invitation]


@frozen
class NameInvitation:
    """`ironflock.auth.invitation.revoke`."""

    account_key: Key


@frozen
class RenamePerson:
    """`ironflock.auth.account.rename`: how the person is called, and in which language."""

    display_name: ShortText
    locale: Locale


@frozen
class ChangeState:
    """`ironflock.auth.account.disable`, `ironflock.auth.account.enable`: another's account, with `LOCK`."""

    account_key: Key
    reason: Reason


@frozen
class SetupLink:
    """`ironflock.auth.account.setup_link`: where an account without a password gets one; opens once."""

    url: str = field(repr=False)
    ends_in_s: int


@frozen
class Me:
    """`ironflock.auth.account.me`."""

    account_key: int
    login_name: str
    display_name: str
    locale: Locale
    kind: Literal["person", "service"]
    created_at: datetime
    verified_at: datetime | None
    password_changed_at: datetime | None
    has_password: bool
    factors: FactorOverview


@frozen
class OwnData:
    """`ironflock.auth.account.export`: everything that auth holds of the person, without a secret."""

    exported_at: datetime
    data: dict[str, Any]
