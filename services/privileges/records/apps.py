"""Apps that pass on to another owner."""

from datetime import datetime

from attrs import frozen

from services.privileges.records.values import Key, Name, Reason


@frozen
class OfferApp:
    """`ironflock.privileges.app_transfer.offer`."""

    app: Key | Name
    account: Key | Name
    reason: Reason = ""


@frozen
class NameApp:
    """`ironflock.privileges.app_transfer.accept`, `.withdraw`."""

    app: Key | Name


@frozen
class AppTransfer:
    """An app is offered to another owner, until it is accepted, withdrawn, declined or 7 days old."""

    app_key: int
    app_name: str
    from_account_key: int
    to_account_key: int
    to_login_name: str
    offered_at: datetime
    ends_at: datetime


@frozen
class AppTransferList:
    """Offers from the caller and to the caller."""

    transfers: list[AppTransfer]
