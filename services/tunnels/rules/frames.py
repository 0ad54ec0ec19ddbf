"""The frames of yamux: twelve octets of header, big endian.

Source: fatedier/yamux d0154be01cd6, on the wire hashicorp's yamux version 0.
"""

import struct
from enum import IntEnum
from typing import Final

VERSION: Final = 0
HEADER_OCTETS: Final = 12
HEADER: Final = struct.Struct("!BBHII")
"""Version, type, flags, stream id, length."""


class FrameType(IntEnum):
    """What a frame is; of a window update `length` is the delta, of a ping its value, of a go away the code."""

    DATA = 0
    WINDOW_UPDATE = 1
    PING = 2
    GO_AWAY = 3


# Plain numbers: an IntFlag costs a microsecond for each frame.
SYN: Final = 1
ACK: Final = 2
FIN: Final = 4
RST: Final = 8
ALL_FLAGS: Final = SYN | ACK | FIN | RST


class GoAwayCode(IntEnum):
    """Why a session ends."""

    NORMAL = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2


def header(kind: FrameType, flags: int, stream_id: int, length: int) -> bytes:
    """The octets of one header."""
    return HEADER.pack(VERSION, kind, flags, stream_id, length)
