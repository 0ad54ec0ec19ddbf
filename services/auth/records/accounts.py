"""Accounts, as they are stored and as they are shown."""

from datetime import datetime
from typing import Annotated, Literal

from attrs import field, frozen
from msgspec import Meta

from services.auth.records.fields import MAX_ITEMS, Key, ShortText

Said = Annotated[str, Meta(max_length=400)]
Credential = Annotated[str, Meta(max_length=256, pattern=r"\A[0-9A-Za-z_.-]*\Z")]


@frozen
class Account:
    """A person's account; `login_name` is personal."""

    account_key: int
    login_name: str
    state: Literal["active", "disabled"]
    erased_at: datetime | None


@frozen
class AccountKey:
    """`ironflock.auth.account.find`."""

    account_key: Key


@frozen
class AccountKeys:
    """`ironflock.auth.account.find_erased`."""

    account_keys: Annotated[list[Key], Meta(max_length=MAX_ITEMS)]


@frozen
class ResolveAccounts:
    """`ironflock.auth.account.resolve`: each by account key or login name."""

    accounts: Annotated[list[Key | Said], Meta(max_length=MAX_ITEMS)]


@frozen
class NamedAccount:
    """An account with its login name; `is_here` where its person has come and is not erased."""

    account_key: int
    login_name: str
    login_canonical: str
    is_here: bool


@frozen
class RequireFresh:
    """`ironflock.auth.session.require_fresh`: the person, and by which credential they ask."""

    account_key: Key
    credential: Credential | None


@frozen
class NameApiKey:
    """`ironflock.auth.api_key.owner`."""

    key_id: Said


@frozen
class PublicAccount:
    """What an account shows of itself."""

    account_key: int
    login_name: str


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
