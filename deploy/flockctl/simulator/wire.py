"""The agent's words on the wire: message codes, HELLO details, timings, procedures. Data, and pure functions over it.

Source: the WAMP specification for the codes; the published agent 0.20.20 for everything else.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

from attrs import frozen


class Message(IntEnum):
    """WAMP message codes (WAMP specification, section "Message Codes and Direction")."""

    HELLO = 1
    WELCOME = 2
    ABORT = 3
    CHALLENGE = 4
    AUTHENTICATE = 5
    GOODBYE = 6
    ERROR = 8
    PUBLISH = 16
    PUBLISHED = 17
    SUBSCRIBE = 32
    SUBSCRIBED = 33
    UNSUBSCRIBE = 34
    UNSUBSCRIBED = 35
    EVENT = 36
    CALL = 48
    RESULT = 50
    REGISTER = 64
    REGISTERED = 65
    UNREGISTER = 66
    UNREGISTERED = 67
    INVOCATION = 68
    YIELD = 70


REALM: Final = "realm1"
SUBPROTOCOLS: Final = (
    "wamp.2.json",
    "wamp.2.cbor",
    "wamp.2.msgpack",
)  # offered in this order; only the first is spoken here
USER_AGENT: Final = "Go-http-client/1.1"
AGENT_VERSION: Final = "0.20.20"

DIAL_TIMEOUT_S: Final = 1.25  # TCP, TLS and the HTTP upgrade together
REPLY_TIMEOUT_S: Final = 7.0  # CHALLENGE, WELCOME, REGISTERED, SUBSCRIBED
STATUS_TIMEOUT_S: Final = 10.0
RETRY_DELAY_S: Final = 1.0
PING_INTERVAL_S: Final = 5.0
PING_PAYLOAD: Final = b"keepalive"
MAX_UNANSWERED_PINGS: Final = 2
HEARTBEAT_INTERVAL_S: Final = 30.0
MAX_FAILED_HEARTBEATS: Final = 2
MAX_TIMES_TAKEN: Final = 8

SIGNATURE_IS_INVALID: Final = "WAMP-CRA client signature is invalid"
ALREADY_EXISTS: Final = "wamp.error.procedure_already_exists"
HANDLER_ERROR: Final = "wamp.error.canceled"  # every error of a handler leaves under this URI
CLOSE_REALM: Final = "wamp.close.close_realm"

TESTAMENT_TOPIC: Final = "reswarm.api.testament_device"
LITERAL_TOPIC: Final = "reswarm.device.%d.list/ondestroy"  # the placeholder is never filled


def _features(*names: str) -> dict[str, Any]:
    return {"features": dict.fromkeys(names, True)}


ROLES: Final[Mapping[str, Any]] = {
    "publisher": _features(
        "subscriber_blackwhite_listing", "publisher_exclusion", "publisher_identification", "payload_passthru_mode"
    ),
    "subscriber": _features("pattern_based_subscription", "publisher_identification", "payload_passthru_mode"),
    "callee": _features(
        "progressive_call_results",
        "progressive_call_invocations",
        "call_canceling",
        "call_timeout",
        "caller_identification",
        "pattern_based_registration",
        "shared_registration",
        "payload_passthru_mode",
    ),
    "caller": _features(
        "call_canceling",
        "call_timeout",
        "caller_identification",
        "progressive_call_results",
        "progressive_call_invocations",
        "payload_passthru_mode",
    ),
}


def hello(authid: str) -> list[Any]:
    """The agent's HELLO: no authextra, no authrole, no agent string, no resume."""
    return [Message.HELLO, REALM, {"authid": authid, "authmethods": ["wampcra"], "roles": ROLES}]


def authenticate(secret: str, extra: Mapping[str, Any]) -> list[Any]:
    """The answer to a WAMP-CRA CHALLENGE with details `extra`.

    Source: WAMP specification, "Challenge Response Authentication"; salted keys by PBKDF2-SHA256.
    """
    key = secret.encode()
    if extra.get("salt"):
        derived = hashlib.pbkdf2_hmac(
            "sha256", key, str(extra["salt"]).encode(), int(extra.get("iterations", 1000)), int(extra.get("keylen", 32))
        )
        key = base64.b64encode(derived)
    signature = hmac.digest(key, str(extra["challenge"]).encode(), "sha256")
    return [Message.AUTHENTICATE, base64.b64encode(signature).decode("ascii"), {}]


@frozen
class AgentProcedure:
    """A procedure of the agent: the privilege it asks its caller for, and how many arguments it needs to survive."""

    privilege: str | None
    crashes_below: int = 0


ESTABLISHED: Final = "wamp_connection_established"  # registered first, without force_reregister
PROCEDURES: Final[Mapping[str, AgentProcedure]] = {
    "device_handshake": AgentProcedure(None),
    "request_app_state": AgentProcedure(None),
    "execute_cmd": AgentProcedure(None, crashes_below=1),
    "init_device_terminal": AgentProcedure(None),
    "scan_wifi_networks": AgentProcedure(None),
    "get_network_metadata": AgentProcedure(None),
    "get_ipv4_addresses": AgentProcedure(None),
    "get_tunnel_state": AgentProcedure(None),
    "write_data": AgentProcedure("DEVELOP", crashes_below=5),
    "get_images": AgentProcedure("READ"),
    "list_containers": AgentProcedure("READ"),
    "prune_images": AgentProcedure("MAINTAIN", crashes_below=1),
    "request_terminal_session": AgentProcedure("DEVELOP", crashes_below=1),
    "start_terminal_session": AgentProcedure("DEVELOP", crashes_below=1),
    "stop_terminal_session": AgentProcedure("DEVELOP", crashes_below=1),
    "get_app_log_history": AgentProcedure("READ", crashes_below=1),
    "query_app_logs": AgentProcedure("READ"),
    "query_device_logs": AgentProcedure("READ"),
    "get_agent_metadata": AgentProcedure("READ"),
    "get_storage_data": AgentProcedure("READ"),
    "get_os_release": AgentProcedure("READ"),
    "download_os_update": AgentProcedure("MAINTAIN"),
    "install_os_update": AgentProcedure("MAINTAIN"),
    "update_agent": AgentProcedure("MAINTAIN"),
    "system_reboot": AgentProcedure("MAINTAIN"),
    "system_shutdown": AgentProcedure("MAINTAIN"),
    "system_restart_agent": AgentProcedure("MAINTAIN"),
    "list_ethernet_devices": AgentProcedure("READ"),
    "update_ipv4_config": AgentProcedure("NETWORK", crashes_below=1),
    "list_wifi_networks": AgentProcedure("READ"),
    "add_wifi_configuration": AgentProcedure("NETWORK"),
    "remove_wifi_configuration": AgentProcedure("NETWORK"),
    "select_wifi_network": AgentProcedure("NETWORK"),
    "restart_wifi": AgentProcedure("NETWORK"),
}


def agent_uri(serial_number: str, name: str) -> str:
    """Where an agent registers its procedure `name`."""
    return f"re.mgmt.{serial_number}.{name}"
