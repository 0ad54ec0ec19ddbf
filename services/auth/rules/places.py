"""Which addresses count as one place: whoever is given IPv6 has at least 2^64 addresses of one network. Pure."""

from ipaddress import IPv6Network, ip_address
from typing import Final

PREFIX_LENGTH: Final = 64  # RFC 6177: what a single site is given at least


def place_of(address: str) -> str:
    """The IPv4 address itself, also where it is written as IPv6; of another IPv6 address its network."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 4:  # noqa: PLR2004 - the version's own name
        return str(found)
    mapped = found.ipv4_mapped
    return str(mapped) if mapped is not None else str(IPv6Network((int(found), PREFIX_LENGTH), strict=False))


def network_of(address: str) -> str | None:
    """The network of an IPv6 address; None of whatever counts as one place by itself."""
    place = place_of(address)
    return place if place.endswith(f"/{PREFIX_LENGTH}") else None
