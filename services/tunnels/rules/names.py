"""Names of tunnels: `[secure-]<device key>-<app>-<declared port>`, and `-<protocol>` behind it for the proxy.

The same is the first label of a tunnel's host, so an app whose name makes no DNS label has no http tunnels. Source: the
agent's tunnel/frp.go; RFC 1035 section 2.3.4 (63 octets), RFC 5890 section 2.3.1 (letters, digits, hyphens).
"""

import re
from typing import Final

from services.tunnels.records.messages import NewProxy
from services.tunnels.records.offers import Refusal, TunnelName, TunnelProtocol

SECURE: Final = "secure-"
MAX_LABEL: Final = 63
MAX_PORT: Final = 65_535
MAX_NAME: Final = 256
_SUBDOMAIN: Final = re.compile(r"(?P<device>[1-9][0-9]{0,17})-(?P<app>.+)-(?P<port>[1-9][0-9]{0,4})", re.DOTALL)
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_PROTOCOLS: Final = {each.value: each for each in TunnelProtocol}
HTTP: Final = frozenset({TunnelProtocol.HTTP, TunnelProtocol.HTTPS})


def subdomain(name: TunnelName) -> str:
    """The first label of the tunnel's host, as the agent makes it; see `label_problem`."""
    front = SECURE if name.protocol is TunnelProtocol.HTTPS else ""
    return f"{front}{name.device_key}-{name.app}-{name.port}".lower()


def proxy_name(name: TunnelName) -> str:
    """How the agent calls its proxy."""
    return f"{subdomain(name)}-{name.protocol.value}"


def parse_proxy_name(text: str) -> TunnelName | None:
    """What a proxy's name says; None where it is none that an agent makes."""
    front, _, protocol = text.rpartition("-")
    found = _PROTOCOLS.get(protocol)
    if found is None or len(text) > MAX_NAME:
        return None
    if found is TunnelProtocol.HTTPS:
        if not front.startswith(SECURE):
            return None
        front = front.removeprefix(SECURE)
    matched = _SUBDOMAIN.fullmatch(front)
    if matched is None or int(matched["port"]) > MAX_PORT or matched["app"] != matched["app"].lower():
        return None
    return TunnelName(int(matched["device"]), matched["app"], int(matched["port"]), found)


def label_problem(label: str) -> str | None:
    """Why `label` cannot be one of DNS, as a sentence; None where it can."""
    if len(label) > MAX_LABEL:
        return f"'{label}' is {len(label)} characters; a DNS label has {MAX_LABEL} at most: shorten the app's name"
    if _LABEL.fullmatch(label) is None:
        return f"'{label}' is no DNS label: only a-z, 0-9 and hyphens within; rename the app"
    return None


def asked_of(asked: NewProxy) -> TunnelName | Refusal:
    """What a NewProxy is about, or why it is not taken, whoever sends it."""
    unserved = _unserved(asked)
    if unserved is not None:
        return Refusal(unserved)
    name = parse_proxy_name(asked.proxy_name)
    if name is None or name.protocol.value != asked.proxy_type:
        return Refusal("the proxy's name is not <device>-<app>-<port>-<protocol>")
    if name.protocol not in HTTP:
        return name if 0 <= asked.remote_port <= MAX_PORT else Refusal("the remote port is out of range")
    if asked.subdomain != subdomain(name):
        return Refusal("the subdomain is not the one of the proxy's name")
    problem = label_problem(asked.subdomain)
    return name if problem is None else Refusal(problem)


def _unserved(asked: NewProxy) -> str | None:
    if asked.proxy_type not in _PROTOCOLS:
        return "only tcp, udp, http and https are served here"
    wanted = {
        "encryption (TLS is around everything)": asked.use_encryption,
        "compression": asked.use_compression,
        "a bandwidth limit": asked.bandwidth_limit,
        "groups": asked.group,
        "custom domains": asked.custom_domains,
        "locations": asked.locations,
        "a user or password of frp's own": asked.http_user or asked.http_pwd or asked.route_by_http_user,
        "rewritten headers": asked.host_header_rewrite or asked.headers or asked.response_headers,
    }
    refused = [what for what, is_wanted in wanted.items() if is_wanted]
    return f"not served here: {', '.join(refused)}" if refused else None
