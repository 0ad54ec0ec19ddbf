"""Addresses of the network, compared as what they are. Pure."""

import ipaddress


def plain(address: str) -> str:
    """`address` in its one form, as IPv4 where IPv6 only carries it (RFC 4291, 2.5.5.2); others as they are."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(parsed if mapped is None else mapped)


def host_of(peer: str) -> str:
    """The address of `ip:port`, in its one form; an IPv6 address stands in brackets there."""
    return plain(peer.rpartition(":")[0].strip("[]"))
