"""Direct SQL: what a client of the front asks for, and as what it was let in."""

from enum import Enum

from attrs import field, frozen

from shared.clusters import FIRST


@frozen
class Startup:
    """A client wants to work with `database` as `user`; `parameters` are the rest of what it said."""

    user: str
    database: str
    parameters: dict[str, str]
    minor: int = 0


@frozen
class Cancel:
    """A client wants the statement of another connection of its own to stop."""

    process_id: int
    secret_key: bytes = field(repr=False)


class Encryption(Enum):
    """What a client asks for before it says anything else."""

    TLS = "tls"
    GSS = "gss"


@frozen
class Frame:
    """One message of either side: its type, and all its octets as they came."""

    tag: bytes
    octets: bytes = field(repr=False)

    @property
    def body(self) -> bytes:
        """What follows type and length."""
        return self.octets[5:]


@frozen
class Admission:
    """Somebody may read a backend's tables: who, by which credential, from where, as which login, until when.

    `ends_at` is in Unix seconds; `cluster` is the server that the database is on.
    """

    account_key: int
    credential: str
    address: str
    project_key: int
    backend_key: int
    database: str
    login: str
    ends_at: float
    cluster: str = FIRST


@frozen
class Tally:
    """What went through a session so far."""

    statements: int = 0
    rows: int = 0
    octets: int = 0
