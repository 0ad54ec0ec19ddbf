"""What goes wrong between the edge and an agent; none of it reaches a person as it is."""


class RemoteProtocolError(Exception):
    """The peer broke the protocol: its connection ends, and the text goes into our log."""


class WireV2Error(RemoteProtocolError):
    """The peer speaks frp's wire v2, which is not spoken here."""


class LocalProtocolError(Exception):
    """We used the protocol wrongly: a fault of ours."""


class NoWorkConnError(Exception):
    """The device opened no stream for a visitor in time, or its session is over."""
