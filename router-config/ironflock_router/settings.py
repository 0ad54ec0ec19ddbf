"""The router's settings: one frozen object, read once from the environment; missing or unknown ones stop the start."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from attrs import frozen

from shared.cells import FIRST, is_cell_name
from shared.proxied import Proxies, read_proxies
from shared.settings import Settings, SettingsError
from shared.trace_settings import TraceSettings, trace_settings

LOCAL: Final = "127.0.0.1"
KIB: Final = 1024
MIB: Final = 1024 * KIB
SERVICE_MESSAGE: Final = 16 * MIB
"""What services take (`shared/session.py`): longer than any public message, so a service can always be told it."""
APP_MESSAGE: Final = SERVICE_MESSAGE - 64 * KIB
"""Rows of 10 MB come and go in one message, and bulks; what the router adds to one still fits."""


@frozen
class Limits:
    """The bounds of one listener. Times in seconds, sizes in octets.

    `join_timeout_s` runs from accept to WELCOME: TLS, HTTP, HELLO and AUTHENTICATE together. `handshake_timeout_s` runs
    from accept to the end of TLS: an agent gives all of its dialling 1.25 s. `room_after_s` is the age at which a
    connection that has not joined gives its place to a newcomer; `handshake_room_after_s` that of a handshake, from its
    first octet. `max_message_octets` holds in both directions. `waiting` counts octets that a peer has not taken yet.
    """

    join_timeout_s: float
    handshake_timeout_s: float
    room_after_s: float
    unjoined_per_address: int
    unjoined_in_all: int
    handshake_room_after_s: float
    handshakes_per_address: int
    handshakes_at_once: int
    connections: int
    octets_before_join: int
    max_message_octets: int
    waiting_per_connection: int
    waiting_in_all: int


@frozen
class RouterSettings:
    """Everything that the router is told from outside; the `inside` certificate is for services, probes, metrics."""

    cell: str
    host: str
    bind: str
    service_bind: str
    ops_bind: str
    proxies: Proxies
    public_port: int
    service_port: int
    ops_port: int
    tls_certificate: Path
    tls_key: Path
    inside_tls_certificate: Path
    inside_tls_key: Path
    service_secrets: Path
    registrations_per_session: int
    subscriptions_per_session: int
    sessions_per_device: int
    credential_timeout_s: float
    max_app_message_octets: int
    public: Limits
    services: Limits
    traces: TraceSettings | None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read `IRONFLOCK_ROUTER_*`.

        Raises:
            SettingsError: One is missing, malformed or unknown; the text names it.
        """
        settings = Settings("ROUTER", environ)
        certificate, key = settings.path("TLS_CERTIFICATE"), settings.path("TLS_KEY")
        values = cls(
            cell=_cell(settings),
            host=settings.text("HOST", "localhost"),
            bind=settings.text("BIND", LOCAL),
            service_bind=settings.text("SERVICE_BIND", LOCAL),
            ops_bind=settings.text("OPS_BIND", LOCAL),
            proxies=read_proxies(settings),
            public_port=settings.port("PUBLIC_PORT"),
            service_port=settings.port("SERVICE_PORT"),
            ops_port=settings.port("OPS_PORT"),
            tls_certificate=certificate,
            tls_key=key,
            inside_tls_certificate=settings.path("INSIDE_TLS_CERTIFICATE", certificate),
            inside_tls_key=settings.path("INSIDE_TLS_KEY", key),
            service_secrets=settings.path("SERVICE_SECRETS"),
            registrations_per_session=settings.integer("REGISTRATIONS_PER_SESSION", 512, minimum=64, maximum=100_000),
            subscriptions_per_session=settings.integer("SUBSCRIPTIONS_PER_SESSION", 512, minimum=64, maximum=100_000),
            sessions_per_device=settings.integer("SESSIONS_PER_DEVICE", 256, minimum=1, maximum=100_000),
            credential_timeout_s=settings.seconds("CREDENTIAL_TIMEOUT_S", 3.0, maximum=4.0),
            max_app_message_octets=settings.integer(
                "MAX_APP_MESSAGE_OCTETS", APP_MESSAGE, minimum=64 * KIB, maximum=APP_MESSAGE
            ),
            public=_public_limits(settings),
            services=_service_limits(),
            traces=trace_settings(settings),
        )
        settings.refuse_unknown()
        return values


def _cell(settings: Settings) -> str:
    cell = settings.text("CELL", FIRST)
    if not is_cell_name(cell):
        raise SettingsError("IRONFLOCK_ROUTER_CELL must be the name of a cell, for example first")
    return cell


def _public_limits(settings: Settings) -> Limits:
    join_timeout_s = settings.seconds("JOIN_TIMEOUT_S", 8.0, maximum=60.0)
    return Limits(
        join_timeout_s=join_timeout_s,
        handshake_timeout_s=min(3.0, join_timeout_s),
        room_after_s=min(2.0, join_timeout_s),
        unjoined_per_address=settings.integer("UNJOINED_PER_ADDRESS", 128, minimum=1, maximum=100_000),
        unjoined_in_all=settings.integer("UNJOINED_IN_ALL", 4096, minimum=1, maximum=100_000),
        handshake_room_after_s=0.5,
        # An address has a quarter of them: one that begins and does not go on keeps nobody else out.
        handshakes_per_address=settings.integer("HANDSHAKES_PER_ADDRESS", 32, minimum=1, maximum=10_000),
        # About 2 ms of one core each, so 128 finish within the agent's 1.25 s with room for the rest of the join.
        handshakes_at_once=settings.integer("HANDSHAKES_AT_ONCE", 128, minimum=1, maximum=10_000),
        connections=settings.integer("CONNECTIONS", 50_000, minimum=1, maximum=1_000_000),
        octets_before_join=64 * KIB,
        max_message_octets=settings.integer("MAX_MESSAGE_OCTETS", MIB, minimum=64 * KIB, maximum=SERVICE_MESSAGE),
        waiting_per_connection=settings.integer(
            "WAITING_PER_CONNECTION", 10 * MIB, minimum=64 * KIB, maximum=256 * MIB
        ),
        waiting_in_all=settings.integer("WAITING_IN_ALL", 256 * MIB, minimum=MIB, maximum=16 * 1024 * MIB),
    )


def _service_limits() -> Limits:
    # A service's session carries the traffic of all devices: it may lag further behind, and there are few of them.
    return Limits(
        join_timeout_s=8.0,
        handshake_timeout_s=3.0,
        room_after_s=2.0,
        unjoined_per_address=256,
        unjoined_in_all=1024,
        handshake_room_after_s=0.5,
        handshakes_per_address=128,  # all of them come from one address
        handshakes_at_once=128,
        connections=4096,
        octets_before_join=64 * KIB,
        max_message_octets=SERVICE_MESSAGE,
        waiting_per_connection=64 * MIB,
        waiting_in_all=512 * MIB,
    )
