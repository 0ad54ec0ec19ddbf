"""The names on the wire that the router itself knows: realms, paths, roles, URIs. Pinned by a test."""

from enum import Enum
from typing import Final

REALM1: Final = "realm1"
SYSTEM: Final = "ironflock.system"


class Action(Enum):
    """What a session may ask the router for, as Crossbar names it when it asks for authorization."""

    CALL = "call"
    REGISTER = "register"
    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"


DEVICE: Final = "device"
DEVICE_DUPLICATE: Final = "device_duplicate"
USER: Final = "user"
APP: Final = "app"
APP_READER: Final = "app_reader"
DATA_ROLES: Final = frozenset({APP, APP_READER})
"""What apps join a data realm as (wire-sdk.md section 3)."""
BOARD_READER: Final = "board_reader"
BOARD_WRITER: Final = "board_writer"
BOARD_ROLES: Final = frozenset({BOARD_READER, BOARD_WRITER})
"""What people's boards join a data realm as (decision 19)."""
SERVICES: Final = ("auth", "realms", "devices", "privileges", "audit", "gateway", "fleetdb", "tunnels")
SERVICE_ROLES: Final = frozenset(f"svc_{name}" for name in SERVICES)
FLEETDB: Final = "svc_fleetdb"
CALLS_AGENTS: Final = "svc_devices"
AGENTS_CALLER: Final = "system"
"""The authid by which agents know the platform: on `realm1` the service that calls them has it, and nobody else."""
TERMINAL: Final = "terminal"
TERMINAL_AUTHID: Final = "terminal-"
"""Before an account key: as whom the service that calls agents joins `realm1` for a person's terminal (decision 15)."""
DATA_SERVICES: Final = frozenset({FLEETDB})
"""The services that join data realms, each by its own secret."""

PATH_DEVICES: Final = "/ws-re-dev"
PATH_PEOPLE: Final = "/ws-usr"
PATH_APPS: Final = "/ws-ua-usr"
PATH_SERVICES: Final = "/ws-svc"

# The agent's procedures (wire-agent.md section 4), in the order of that section; `wamp.*` ones are the router's.
UPDATE_DEVICE_STATUS: Final = "reswarm.devices.update_device_status"
EXPOSE_PORT: Final = "re.tunnel.expose_port"
AGENT_PROCEDURES: Final = (
    "reswarm.devices.read_device_metadata",  # 2
    "reswarm.devices.get_app_cred_key",  # 3
    UPDATE_DEVICE_STATUS,  # 4
    "reswarm.devices.update_device_architecture",  # 5
    "reswarm.containers.get_requested_app_states",  # 6
    "reswarm.containers.update_app_on_device",  # 7
    "reswarm.containers.get_registry_token",  # 8
    "reswarm.devices.check_privilege",  # 9
    EXPOSE_PORT,  # 10
    "reswarm.registry.run_gc",  # 12
)
ADD_TESTAMENT: Final = "wamp.session.add_testament"  # 1
SUBSCRIPTION_MATCH: Final = "wamp.subscription.match"  # 11
SESSION_GET: Final = "wamp.session.get"  # wire-sdk.md section 4
DEVICE_TESTAMENT: Final = "reswarm.api.testament_device"
CONNECTION_ESTABLISHED: Final = "wamp_connection_established"  # below re.mgmt.<serial>

# Any event there makes every connected agent remove its containers and exit (wire-agent.md section 5).
NEVER_PUBLISHED: Final = "reswarm.device.%d.list/ondestroy"

DEVICE_CREDENTIAL_FIND: Final = "ironflock.auth.device_credential.find"
TICKET_VERIFY: Final = "ironflock.auth.ticket.verify"
BOARD_TICKET_TAKE: Final = "ironflock.auth.board_ticket.take"
APP_CREDENTIAL_FIND: Final = "ironflock.auth.app_credential.find"
CREDENTIAL_END: Final = "ironflock.router.credential.end"
REALM_END: Final = "ironflock.router.realm.end"
SESSION_END: Final = "ironflock.router.session.end"
FOLLOWED_TAKE: Final = "ironflock.router.followed.take"
INSTALL_CHANGED: Final = "ironflock.realms.install.changed"
BOARDS_JUDGED: Final = "ironflock.realms.board.judged"
CREDENTIALS_TOLD: Final = "ironflock.auth.credential.told"
ACCESS_CHANGED: Final = "ironflock.realms.access.changed"
LEGACY_CHANGED: Final = "ironflock.realms.legacy_mode.changed"
DEVICE_DUPLICATED: Final = "ironflock.router.device.duplicated"
