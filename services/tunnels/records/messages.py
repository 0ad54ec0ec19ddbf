"""frp's messages, wire v1; names are frp's own. What is empty is left out on the wire."""

from attrs import Factory, field, frozen


@frozen
class Login:
    """o: the first message of an agent. `metas` carries the proof of the device."""

    version: str = ""
    hostname: str = ""
    os: str = ""
    arch: str = ""
    user: str = ""
    privilege_key: str = field(default="", repr=False)
    timestamp: int = 0
    run_id: str = ""
    client_id: str = ""
    metas: dict[str, str] = field(factory=dict, repr=False)
    pool_count: int = 0


@frozen
class LoginResp:
    """1: `error` ends the attempt."""

    version: str = ""
    run_id: str = ""
    error: str = ""


@frozen
class NewProxy:
    """p: the agent offers something under a name."""

    proxy_name: str = ""
    proxy_type: str = ""
    use_encryption: bool = False
    use_compression: bool = False
    bandwidth_limit: str = ""
    bandwidth_limit_mode: str = ""
    group: str = ""
    group_key: str = field(default="", repr=False)
    metas: dict[str, str] = field(factory=dict, repr=False)
    remote_port: int = 0
    custom_domains: list[str] = Factory(list)
    subdomain: str = ""
    locations: list[str] = Factory(list)
    http_user: str = ""
    http_pwd: str = field(default="", repr=False)
    host_header_rewrite: str = ""
    headers: dict[str, str] = field(factory=dict, repr=False)
    response_headers: dict[str, str] = field(factory=dict, repr=False)
    route_by_http_user: str = ""


@frozen
class NewProxyResp:
    """2: `remote_addr` is `:PORT` or a host; the agent shows `error` to people."""

    proxy_name: str = ""
    remote_addr: str = ""
    error: str = ""


@frozen
class CloseProxy:
    """c: the agent takes an offer back."""

    proxy_name: str = ""


@frozen
class ReqWorkConn:
    """r: the agent is to open one more stream."""


@frozen
class NewWorkConn:
    """w: the first message on a stream that waits for a visitor."""

    run_id: str = ""
    privilege_key: str = field(default="", repr=False)
    timestamp: int = 0


@frozen
class StartWorkConn:
    """s: a visitor is there; raw octets follow. `error` closes the stream."""

    proxy_name: str = ""
    src_addr: str = ""
    dst_addr: str = ""
    src_port: int = 0
    dst_port: int = 0
    error: str = ""


@frozen
class NewVisitorConn:
    """v: a visitor of stcp, sudp or xtcp, which are not served."""

    run_id: str = ""
    proxy_name: str = ""


@frozen
class NewVisitorConnResp:
    """3: the answer to it."""

    proxy_name: str = ""
    error: str = ""


@frozen
class Ping:
    """h: a heartbeat of frp itself, where an agent has it switched on."""

    privilege_key: str = field(default="", repr=False)
    timestamp: int = 0


@frozen
class Pong:
    """4: the answer to it."""

    error: str = ""


@frozen
class UdpAddress:
    """Go's net.UDPAddr: JSON names IP, Port and Zone."""

    ip: str
    port: int
    zone: str = ""


@frozen
class UDPPacket:
    """u: one datagram; `remote` is the visitor's address, both ways."""

    content: bytes = field(repr=False)
    local: UdpAddress | None = None
    remote: UdpAddress | None = None


@frozen
class NatHole:
    """i, n, m, 5, 6: the messages of xtcp, which is not served; their content is not read."""


Message = (
    Login
    | LoginResp
    | NewProxy
    | NewProxyResp
    | CloseProxy
    | ReqWorkConn
    | NewWorkConn
    | StartWorkConn
    | NewVisitorConn
    | NewVisitorConnResp
    | Ping
    | Pong
    | UDPPacket
    | NatHole
)
