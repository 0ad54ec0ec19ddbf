"""What is sealed, and under which key."""

from typing import Annotated

from attrs import field, frozen
from msgspec import Meta

from services.auth.records.fields import MAX_ITEMS, Key, ShortText


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
class PersonalItem:
    """A value as an audit entry holds it: whose it is, the sealed octets in base64, and what they were sealed for."""

    account_key: Key
    sealed: Annotated[str, Meta(max_length=65_536)] = field(repr=False)
    context: ShortText


@frozen
class SealPersonal:
    """`ironflock.auth.personal.seal`: something that an audit entry is to say of a person."""

    account_key: Key
    text: ShortText = field(repr=False)


@frozen
class OpenPersonal:
    """`ironflock.auth.personal.open`."""

    items: Annotated[list[PersonalItem], Meta(max_length=MAX_ITEMS)] = field(repr=False)
