"""The frps nodes of an installation, as its file says them. Pure.

{"nodes": [{"name": "frps-1", "secret": "...", "host": "frps-1.example", "inside_host": "10.0.0.7", "bind_port": 7000,
"http_port": 8080, "https_port": 8444}], "fronts": ["192.0.2.7"]}; without an `inside_host` it is the host.
"""

import ipaddress
import re
from typing import Annotated, Final

import msgspec

from services.tunnels.records.plugin import Fleet, Node
from services.tunnels.rules.addresses import plain

Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
MAX_NODES: Final = 100
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{32,128}", re.ASCII)
"""At least 192 bits in base64url; it stands in a URL in the configuration of frps."""
_HOST: Final = re.compile(r"[A-Za-z0-9.:-]{1,253}", re.ASCII)


class _Node(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    secret: str
    host: str
    bind_port: Port
    http_port: Port
    https_port: Port
    inside_host: str | None = None


class _Fleet(msgspec.Struct, forbid_unknown_fields=True):
    nodes: Annotated[list[_Node], msgspec.Meta(min_length=1, max_length=MAX_NODES)]
    fronts: Annotated[list[str], msgspec.Meta(min_length=1)]


def fleet_of(text: str, own_address: str = "") -> Fleet:
    """The nodes that the file's `text` says; `own_address`, unless it is empty, is one more front.

    Raises:
        ValueError: It says none, or not as it should; the sentence says what, and no secret.
    """
    try:
        said = msgspec.json.decode(text, type=_Fleet)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError("it is no list of nodes and fronts as the README has it") from error
    for node in said.nodes:
        _check(node)
    if len({each.name for each in said.nodes}) < len(said.nodes):
        raise ValueError("two nodes have one name")
    if len({each.secret for each in said.nodes}) < len(said.nodes):
        raise ValueError("two nodes have one secret")
    fronts = [*said.fronts, *([own_address] if own_address else [])]
    return Fleet(tuple(map(_node, said.nodes)), frozenset(_address(each) for each in fronts))


def _check(node: _Node) -> None:
    if _NAME.fullmatch(node.name) is None:
        raise ValueError("a node's name has small letters, digits and hyphens")
    if _SECRET.fullmatch(node.secret) is None:
        raise ValueError(f"the secret of node {node.name} is not 32 to 128 letters, digits, - and _")
    if not all(_HOST.fullmatch(host) for host in (node.host, node.inside_host or node.host)):
        raise ValueError(f"the host of node {node.name} is none")


def _node(said: _Node) -> Node:
    return Node(
        name=said.name,
        secret=said.secret,
        host=said.host,
        inside_host=said.inside_host or said.host,
        bind_port=said.bind_port,
        http_port=said.http_port,
        https_port=said.https_port,
    )


def _address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError as error:
        raise ValueError("a front is an address of the network, not a name") from error
    return plain(text)
