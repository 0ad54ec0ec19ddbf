"""The numbers of yamux on the wire."""

from services.tunnels.rules.frames import ACK, FIN, HEADER, HEADER_OCTETS, RST, SYN, FrameType, GoAwayCode, header


def test_wire_numbers_are_pinned() -> None:
    assert [(each.name, each.value) for each in FrameType] == [
        ("DATA", 0),
        ("WINDOW_UPDATE", 1),
        ("PING", 2),
        ("GO_AWAY", 3),
    ]
    assert [each.value for each in GoAwayCode] == [0, 1, 2]
    assert (SYN, ACK, FIN, RST) == (1, 2, 4, 8)


def test_a_header_is_what_frpc_opens_its_first_stream_with() -> None:
    made = header(FrameType.WINDOW_UPDATE, SYN, 1, 0x5C0000)

    assert made.hex() == "0001000100000001005c0000"
    assert HEADER.size == HEADER_OCTETS == len(made)
