"""What frps asks our plugin, what we answer, and the frps nodes of an installation. Source: frp's plugin API."""

from enum import StrEnum
from typing import Any

from attrs import field, frozen

from services.tunnels.records.messages import Login, NewProxy


class Op(StrEnum):
    """What frps asks about; the words are its own."""

    LOGIN = "Login"
    NEW_PROXY = "NewProxy"
    CLOSE_PROXY = "CloseProxy"
    PING = "Ping"
    NEW_WORK_CONN = "NewWorkConn"
    NEW_USER_CONN = "NewUserConn"


@frozen
class LoginAsked:
    """An agent wants in, from `client_address` (`ip:port`); `content` is all that frps said of it."""

    login: Login
    client_address: str
    content: dict[str, Any] = field(repr=False)


@frozen
class ProxyAsked:
    """The agent of a session wants to offer something."""

    run_id: str
    asked: NewProxy


@frozen
class ProxyClosed:
    """It offers that no more; the answer changes nothing."""

    run_id: str
    proxy_name: str


@frozen
class Pinged:
    """A heartbeat of frp's own, of agents that have it switched on; `proof` is what it logged in with."""

    run_id: str
    proof: str = field(repr=False)


@frozen
class WorkConnAsked:
    """The agent opened a stream for a visitor: `named` is the session that it says, `run_id` that which frps took."""

    run_id: str
    named: str


@frozen
class UserConnAsked:
    """A visitor reached frps, from `remote_addr` (`ip:port`)."""

    run_id: str
    proxy_name: str
    remote_addr: str


PluginCall = LoginAsked | ProxyAsked | ProxyClosed | Pinged | WorkConnAsked | UserConnAsked


@frozen
class Verdict:
    """What we answer: `reason` is why not, None where it may be; `content` what frps is to take instead."""

    reason: str | None = None
    content: dict[str, Any] | None = field(default=None, repr=False)


ALLOWED = Verdict()


@frozen
class Node:
    """One frps.

    Args:
        secret: What its calls to us show.
        host: Where agents dial it, and we to end a session; its certificate is of that name.
        inside_host: Where devices' ports and hosts are open, for us alone.
        bind_port: Where agents dial it.
        http_port, https_port: Where it takes requests for hosts of web tunnels (`vhostHTTPPort`, `vhostHTTPSPort`).
    """

    name: str
    secret: str = field(repr=False)
    host: str
    inside_host: str
    bind_port: int
    http_port: int
    https_port: int


@frozen
class Fleet:
    """All of them, and the addresses from which our visitors' front comes to them."""

    nodes: tuple[Node, ...]
    fronts: frozenset[str]

    def named(self, name: str) -> Node | None:
        """The node of that name."""
        return next((each for each in self.nodes if each.name == name), None)


@frozen
class KnownSession:
    """A session at a node, as it was written down."""

    node: str
    run_id: str
    device_key: int
