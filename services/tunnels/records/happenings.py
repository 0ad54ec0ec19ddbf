"""What happens at the edge and somebody may want to write down."""

from attrs import frozen

from services.tunnels.records.messages import NewProxy
from services.tunnels.records.offers import Offer, TunnelDevice


@frozen
class LoginRefused:
    """An agent was not let in; `device` is None where its proof is nobody's."""

    device: TunnelDevice | None
    address: str
    reason: str


@frozen
class SessionBegan:
    """An agent was let in. `instead_of` is the address of its earlier session, which was ended."""

    device: TunnelDevice
    address: str
    instead_of: str | None


@frozen
class SessionEnded:
    """An agent's session is over, its names and ports are free."""

    device: TunnelDevice
    reason: str


@frozen
class ProxyRefused:
    """A device asked for what it may not have."""

    device: TunnelDevice
    asked: NewProxy
    reason: str


@frozen
class Offered:
    """A proxy is registered."""

    offer: Offer


@frozen
class Withdrawn:
    """It is not any more."""

    offer: Offer


Happening = LoginRefused | SessionBegan | SessionEnded | ProxyRefused | Offered | Withdrawn
