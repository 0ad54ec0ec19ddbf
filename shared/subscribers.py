"""Who an address of the network stands for, where something is counted by it."""

import ipaddress
from typing import Final

IPV6_SUBSCRIBER: Final = 64


def subscriber(address: str) -> str:
    """Who an address stands for: itself, or the /64 that one subscriber has of IPv6.

    An IPv4 address that IPv6 only carries (RFC 4291, 2.5.5.2) is that address: all of them lie in one /64.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, IPV6_SUBSCRIBER), strict=False))
