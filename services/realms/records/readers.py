"""People who read a data backend by SQL."""

from datetime import datetime
from typing import Annotated

from attrs import frozen
from msgspec import Meta

from services.realms.records.values import Key


@frozen
class AdmitReader:
    """`ironflock.realms.backend.admit`: fleetdb has let that person in, and made a key pair for them."""

    backend_key: Key
    account_key: Key
    public_key: Annotated[str, Meta(max_length=2_000)]


@frozen
class Reader:
    """What `ironflock.realms.backend.admit` answers with: a login that reads, and its certificate in PEM."""

    login: str
    certificate: str
    ends_at: datetime
