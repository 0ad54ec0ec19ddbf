"""What a yamux session tells: events, and the states of its streams."""

from enum import Enum

from attrs import field, frozen


class Role(Enum):
    """Which side we are: clients open odd stream ids, servers even ones."""

    CLIENT = "client"
    SERVER = "server"


class StreamState(Enum):
    """Where one stream is."""

    SYN_SENT = "syn sent"
    SYN_RECEIVED = "syn received"
    ESTABLISHED = "established"
    LOCAL_CLOSED = "local closed"
    REMOTE_CLOSED = "remote closed"
    CLOSED = "closed"


class Signal(Enum):
    """What moves a stream from state to state."""

    ACCEPTED = "we accepted it"
    ACKNOWLEDGED = "the peer accepted it"
    FINISHED = "we sent FIN"
    PEER_FINISHED = "the peer sent FIN"


@frozen
class Keepalive:
    """A ping every `every_s`; a peer that says nothing for `within_s` after one is gone."""

    every_s: float
    within_s: float


@frozen
class Opened:
    """The peer opened a stream, which waits to be accepted."""

    stream_id: int


@frozen
class Data:
    """Octets of a stream, in order; a frame may come in several pieces."""

    stream_id: int
    octets: bytes = field(repr=False)


@frozen
class Finished:
    """The peer sends no more on the stream."""

    stream_id: int


@frozen
class Reset:
    """The peer ended the stream; what waited for it is gone."""

    stream_id: int


@frozen
class GoneAway:
    """The peer opens no more streams, and takes none; `code` says why (0 is an orderly end)."""

    code: int


Event = Opened | Data | Finished | Reset | GoneAway
