"""The table of routes: which call of REST is which procedure, and what of the request becomes which argument.

Paths follow the published platform's documentation, which says *swarm* where we say project. Streams are not here: they
are for the bus.
"""

from collections.abc import Iterable
from typing import Final

from services.gateway.records import Kind, Route

PAGE: Final = {"cursor": Kind.TEXT, "limit": Kind.WHOLE}
SEARCH: Final = {
    "project": Kind.EITHER,
    "group": Kind.EITHER,
    "tag": Kind.NAMES,
    "status": Kind.TEXT,
    "agent_version": Kind.TEXT,
    "architecture": Kind.TEXT,
    "name": Kind.TEXT,
    **PAGE,
}
SWARM: Final = {"swarm_key": "project"}
INVITATION: Final = {"invitation_key": "invitation_key"}
ASSET: Final = {"kind": Kind.TEXT, "key": Kind.WHOLE}
DEVICE: Final = {"device_key": "device"}
CHANNEL: Final = {"channel_key": "channel"}
GROUP: Final = {"group_key": "group"}
GROUP_APP: Final = GROUP | {"app_key": "app", "stage": "stage"}
ON_DEVICE: Final = "/devices/{device_key}/apps/{app_key}/{stage}"
DEVICE_APP: Final = DEVICE | {"app_key": "app", "stage": "stage"}
SPAN: Final = {"since": Kind.TEXT, "until": Kind.TEXT}
CHOSEN: Final = {
    "project": Kind.EITHER,
    "device": Kind.WHOLE,
    "app": Kind.WHOLE,
    "account": Kind.WHOLE,
    "aspect": Kind.TEXT,
    "action": Kind.TEXT,
    "actor": Kind.EITHER,
    "outcome": Kind.TEXT,
    "since": Kind.TEXT,
    "until": Kind.TEXT,
}

CLIENT: Final = (
    "name",
    "redirect_uris",
    "post_logout_redirect_uris",
    "backchannel_logout_uri",
    "scopes",
    "grant_types",
    "token_endpoint_auth_method",
    "is_first_party",
    "account_key",
)

APP: Final = {"app_key": "app"}
BOARD: Final = {"board_key": "board"}
CLUSTER: Final = {"cluster": "cluster"}
CELL: Final = {"cell": "cell"}
BACKEND: Final = SWARM | APP | {"stage": "stage"}
TERMINAL: Final = {"terminal": "terminal"}
TUNNEL: Final = {"tunnel_key": "tunnel"}
ROLLOUT: Final = {"rollout_key": "rollout"}
ROLLED_OUT: Final = ("action", "app", "stage", "version", "group", "devices", "pace")

_DEVICES: Final = "ironflock.devices.device"
_APPS: Final = "ironflock.devices.app"
_ALERTS: Final = "ironflock.devices.alert"
_GROUPS: Final = "ironflock.devices.group"
_GROUP_APPS: Final = "ironflock.devices.group_app"
_ROLLOUTS: Final = "ironflock.devices.rollout"
_PROJECTS: Final = "ironflock.realms.project"
_REALMS: Final = "ironflock.realms"
_AUTH: Final = "ironflock.auth"
_AUDIT: Final = "ironflock.audit"
_RIGHTS: Final = "ironflock.privileges"
_TUNNELS: Final = "ironflock.tunnels"

ROUTES: Final[tuple[Route, ...]] = (
    # Devices
    Route("GET", "/devices", f"{_DEVICES}.list", query=SEARCH),
    Route("GET", "/devices/{device_key}", f"{_DEVICES}.show", path=DEVICE),
    Route("PATCH", "/devices/{device_key}", f"{_DEVICES}.rename", path=DEVICE, body=("name",)),
    Route("POST", "/devices/{device_key}/flash", f"{_DEVICES}.flash", path=DEVICE, body=(), is_secret=True),
    Route(
        "POST", "/swarms/{swarm_key}/devices", f"{_DEVICES}.create",
        path=SWARM, body=("name", "description"), status=201, many="devices",
    ),
    Route(
        "DELETE", "/swarms/{swarm_key}/devices", f"{_DEVICES}.delete",
        path=SWARM, query={"ids": Kind.KEYS}, many="ids",
    ),
    Route("DELETE", "/swarms/{swarm_key}/devices/{device_key}", f"{_DEVICES}.delete", path=SWARM | DEVICE),
    Route("PATCH", "/devices/{device_key}/tags", f"{_DEVICES}.tag", path=DEVICE, body=("set", "remove")),
    Route("POST", "/devices/{device_key}/decommission", f"{_DEVICES}.decommission", path=DEVICE, body=("data",)),
    Route(
        "GET", "/swarms/{swarm_key}/decommissions", "ironflock.devices.decommission.list",
        path=SWARM, query={"device": Kind.WHOLE} | PAGE,
    ),
    Route("POST", "/devices/{device_key}/move", f"{_DEVICES}.move", path=DEVICE, body=("to", "name")),
    Route(
        "PUT", "/devices/{device_key}/claimable", f"{_DEVICES}.set_claimable",
        path=DEVICE, body=("is_claimable",), is_secret=True,
    ),
    Route(
        "POST", "/swarms/{swarm_key}/claims", f"{_DEVICES}.claim", path=SWARM, body=("code", "name"), is_secret=True
    ),
    Route("GET", "/devices/{device_key}/apps", f"{_APPS}.list", path=DEVICE),
    Route("POST", "/devices/{device_key}/apps/confirm", f"{_APPS}.confirm", path=DEVICE, body=()),
    Route("GET", "/devices/{device_key}/apps/{app_key}/{stage}", f"{_APPS}.status", path=DEVICE_APP),
    Route(
        "PUT", "/devices/{device_key}/apps/{app_key}/{stage}", f"{_APPS}.install",
        path=DEVICE_APP, query={"version": Kind.TEXT},
    ),
    *(
        Route("POST", f"{ON_DEVICE}/{verb}", f"{_APPS}.{verb}", path=DEVICE_APP, body=())
        for verb in ("start", "stop", "remove", "rollback", "cancel")
    ),
    Route("GET", f"{ON_DEVICE}/variables", f"{_APPS}.variables", path=DEVICE_APP),
    Route(
        "PATCH", f"{ON_DEVICE}/variables", f"{_APPS}.set_environment", path=DEVICE_APP, body=("values", "secrets")
    ),
    Route("PUT", f"{ON_DEVICE}/ports", f"{_APPS}.set_ports", path=DEVICE_APP, body=("ports",)),
    Route(
        "POST", "/devices/{device_key}/apps/{app_key}/{stage}/upgrade", f"{_APPS}.upgrade",
        path=DEVICE_APP, body=("version",),
    ),
    Route("DELETE", "/devices/{device_key}/apps/{app_key}/{stage}", f"{_APPS}.uninstall", path=DEVICE_APP),
    Route("POST", "/terminals/{terminal}/keys", f"{_DEVICES}.terminal_write", path=TERMINAL, body=("keys",)),
    Route("PUT", "/terminals/{terminal}/size", f"{_DEVICES}.terminal_resize", path=TERMINAL, body=("columns", "rows")),
    Route("DELETE", "/terminals/{terminal}", f"{_DEVICES}.terminal_close", path=TERMINAL),
    Route(
        "POST", "/devices/{device_key}/apps/{app_key}/{stage}/rotate-credential", f"{_APPS}.rotate_credential",
        path=DEVICE_APP, body=(),
    ),
    Route(
        "POST", "/devices/{device_key}/apps/{app_key}/{stage}/environment", f"{_APPS}.environment",
        path=DEVICE_APP, body=(), is_secret=True,
    ),
    Route(
        "POST", "/devices/{device_key}/exec", f"{_DEVICES}.exec",
        path=DEVICE, body=("command", "arguments", "timeout_s"), is_secret=True,
    ),
    Route("POST", "/devices/{device_key}/reboot", f"{_DEVICES}.reboot", path=DEVICE, body=()),
    Route("POST", "/devices/{device_key}/shutdown", f"{_DEVICES}.shutdown", path=DEVICE, body=()),
    Route("POST", "/devices/{device_key}/restart-agent", f"{_DEVICES}.restart_agent", path=DEVICE, body=()),
    Route("POST", "/devices/{device_key}/update-agent", f"{_DEVICES}.update_agent", path=DEVICE, body=()),
    Route("POST", "/devices/{device_key}/download-os-update", f"{_DEVICES}.download_os_update", path=DEVICE, body=()),
    Route("POST", "/devices/{device_key}/install-os-update", f"{_DEVICES}.install_os_update", path=DEVICE, body=()),
    Route("POST", "/devices/{device_key}/wifi/scan", f"{_DEVICES}.scan_wifi", path=DEVICE, body=()),
    Route("POST", "/devices/{device_key}/wifi/restart", f"{_DEVICES}.restart_wifi", path=DEVICE, body=()),
    Route("GET", "/devices/{device_key}/agent", f"{_DEVICES}.agent_metadata", path=DEVICE),
    Route("GET", "/devices/{device_key}/os-release", f"{_DEVICES}.os_release", path=DEVICE),
    Route("GET", "/devices/{device_key}/storage", f"{_DEVICES}.storage", path=DEVICE),
    Route("GET", "/devices/{device_key}/handshake", f"{_DEVICES}.handshake", path=DEVICE),
    Route("GET", "/devices/{device_key}/tunnel-state", f"{_DEVICES}.tunnel_state", path=DEVICE),
    Route("GET", "/devices/{device_key}/containers", f"{_DEVICES}.containers", path=DEVICE),
    Route("GET", "/devices/{device_key}/images", f"{_DEVICES}.images", path=DEVICE),
    Route("GET", "/devices/{device_key}/addresses", f"{_DEVICES}.addresses", path=DEVICE),
    Route("GET", "/devices/{device_key}/networks", f"{_DEVICES}.networks", path=DEVICE),
    Route("GET", "/devices/{device_key}/interfaces", f"{_DEVICES}.interfaces", path=DEVICE),
    Route("GET", "/devices/{device_key}/wifi", f"{_DEVICES}.wifi_networks", path=DEVICE),
    Route(
        "POST", "/devices/{device_key}/images/prune", f"{_DEVICES}.prune_images",
        path=DEVICE, body=("include_named",),
    ),
    Route(
        "PUT", "/devices/{device_key}/address", f"{_DEVICES}.set_address",
        path=DEVICE, body=("interface", "mac", "method", "address", "prefix"),
    ),
    Route(
        "POST", "/devices/{device_key}/wifi/add", f"{_DEVICES}.add_wifi",
        path=DEVICE, body=("ssid", "password", "priority", "mac", "security"), is_secret=True,
    ),
    Route("POST", "/devices/{device_key}/wifi/remove", f"{_DEVICES}.remove_wifi", path=DEVICE, body=("ssid",)),
    Route("POST", "/devices/{device_key}/wifi/select", f"{_DEVICES}.select_wifi", path=DEVICE, body=("ssid", "mac")),
    Route(
        "GET", "/devices/{device_key}/logs", f"{_DEVICES}.logs",
        path=DEVICE, query={"lines": Kind.WHOLE, **SPAN, "level": Kind.TEXT},
    ),
    Route(
        "GET", "/devices/{device_key}/apps/{app_key}/{stage}/logs", f"{_DEVICES}.app_logs",
        path=DEVICE_APP, query={"lines": Kind.WHOLE, "offset": Kind.WHOLE, **SPAN, "timestamps": Kind.FLAG},
    ),
    Route(
        "GET", "/devices/{device_key}/apps/{app_key}/{stage}/log-history", f"{_DEVICES}.app_log_history",
        path=DEVICE_APP,
    ),
    Route(
        "GET", "/swarms/{swarm_key}/alerts", f"{_ALERTS}.list", path=SWARM, query={"state": Kind.TEXT, **PAGE},
    ),
    Route("POST", "/alerts/{alert_key}/acknowledge", f"{_ALERTS}.acknowledge", path={"alert_key": "alert"}, body=()),
    Route("GET", "/swarms/{swarm_key}/alert-rules", f"{_ALERTS}_rule.list", path=SWARM),
    Route(
        "PUT", "/swarms/{swarm_key}/alert-rules", f"{_ALERTS}_rule.set",
        path=SWARM, body=("kind", "is_on", "severity", "after_s"),
    ),
    Route("GET", "/swarms/{swarm_key}/alert-channels", f"{_ALERTS}_channel.list", path=SWARM),
    Route(
        "POST", "/swarms/{swarm_key}/alert-channels", f"{_ALERTS}_channel.create",
        path=SWARM, body=("name", "url", "account", "min_severity", "time_zone", "quiet"), status=201, is_secret=True,
    ),
    Route("DELETE", "/alert-channels/{channel_key}", f"{_ALERTS}_channel.delete", path=CHANNEL),
    Route("POST", "/alert-channels/{channel_key}/test", f"{_ALERTS}_channel.test", path=CHANNEL, body=()),
    Route("GET", "/groups", f"{_GROUPS}.list", query={"project": Kind.EITHER, **PAGE}),
    Route(
        "POST", "/swarms/{swarm_key}/groups", f"{_GROUPS}.create",
        path=SWARM, body=("name", "description"), status=201,
    ),
    Route("GET", "/groups/{group_key}", f"{_GROUPS}.show", path=GROUP),
    Route("PATCH", "/groups/{group_key}", f"{_GROUPS}.rename", path=GROUP, body=("name",)),
    Route("DELETE", "/groups/{group_key}", f"{_GROUPS}.delete", path=GROUP),
    Route("GET", "/groups/{group_key}/apps", f"{_GROUP_APPS}.list", path=GROUP),
    Route(
        "PUT", "/groups/{group_key}/apps/{app_key}/{stage}", f"{_GROUP_APPS}.set",
        path=GROUP_APP, body=("version", "target", "values", "secrets"),
    ),
    Route("DELETE", "/groups/{group_key}/apps/{app_key}/{stage}", f"{_GROUP_APPS}.unset", path=GROUP_APP),
    Route(
        "POST", "/swarms/{swarm_key}/rollouts/plan", f"{_ROLLOUTS}.plan",
        path=SWARM, body=(*ROLLED_OUT, "cursor", "limit"),
    ),
    Route(
        "POST", "/swarms/{swarm_key}/rollouts", f"{_ROLLOUTS}.start",
        path=SWARM, body=(*ROLLED_OUT, "digest"), status=201,
    ),
    Route("GET", "/swarms/{swarm_key}/rollouts", f"{_ROLLOUTS}.list", path=SWARM, query=PAGE),
    Route("GET", "/rollouts/{rollout_key}", f"{_ROLLOUTS}.show", path=ROLLOUT, query={"state": Kind.TEXT, **PAGE}),
    Route("POST", "/rollouts/{rollout_key}/pause", f"{_ROLLOUTS}.pause", path=ROLLOUT, body=()),
    Route("POST", "/rollouts/{rollout_key}/resume", f"{_ROLLOUTS}.resume", path=ROLLOUT, body=("retry",)),
    Route("POST", "/rollouts/{rollout_key}/abort", f"{_ROLLOUTS}.abort", path=ROLLOUT, body=("roll_back",)),
    Route("PUT", "/groups/{group_key}/devices/{device_key}", f"{_GROUPS}.add_device", path=GROUP | DEVICE),
    Route("DELETE", "/groups/{group_key}/devices/{device_key}", f"{_GROUPS}.remove_device", path=GROUP | DEVICE),
    # Projects
    Route("GET", "/swarms", f"{_PROJECTS}.list", query=PAGE),
    Route("POST", "/swarms", f"{_PROJECTS}.create", body=("name", "description", "region"), status=201),
    Route("GET", "/swarms/{swarm_key}", f"{_PROJECTS}.show", path=SWARM),
    Route(
        "PUT", "/swarms/{swarm_key}/second-factor", f"{_PROJECTS}.require_factor", path=SWARM, body=("required",)
    ),
    Route(
        "PUT", "/swarms/{swarm_key}/same-address", f"{_PROJECTS}.require_same_address", path=SWARM, body=("required",)
    ),
    Route(
        "PUT", "/swarms/{swarm_key}/legacy-mode", f"{_PROJECTS}.set_legacy_mode", path=SWARM, body=("mode", "ends_at")
    ),
    # Apps
    Route("GET", "/apps", f"{_REALMS}.app.list", query=PAGE),
    Route("POST", "/apps", f"{_REALMS}.app.create", body=("name", "description"), status=201),
    Route("GET", "/apps/{app_key}", f"{_REALMS}.app.show", path=APP),
    Route("PATCH", "/apps/{app_key}", f"{_REALMS}.app.rename", path=APP, body=("name",)),
    Route("PUT", "/apps/{app_key}/public", f"{_REALMS}.app.publish", path=APP, body=("is_public",)),
    Route("DELETE", "/apps/{app_key}", f"{_REALMS}.app.delete", path=APP),
    Route("GET", "/apps/{app_key}/releases", f"{_REALMS}.release.list", path=APP, query=PAGE),
    Route(
        "GET", "/apps/{app_key}/releases/{version}", f"{_REALMS}.release.show", path=APP | {"version": "version"}
    ),
    Route(
        "POST", "/apps/{app_key}/releases", f"{_REALMS}.release.create",
        path=APP, body=("version", "image", "data_template", "environment", "ports", "compose"), status=201,
    ),
    Route("GET", "/swarms/{swarm_key}/apps", f"{_REALMS}.install.list", path=SWARM),
    Route("POST", "/swarms/{swarm_key}/apps/confirm", "ironflock.devices.install.confirm", path=SWARM, body=()),
    Route(
        "PUT", "/swarms/{swarm_key}/apps/{app_key}", f"{_REALMS}.install.create",
        path=SWARM | APP, body=("stage", "version"),
    ),
    Route(
        "DELETE", "/swarms/{swarm_key}/apps/{app_key}", f"{_REALMS}.install.delete",
        path=SWARM | APP, query={"stage": Kind.TEXT},
    ),
    Route("GET", "/swarms/{swarm_key}/access", f"{_REALMS}.access.list", path=SWARM),
    Route(
        "PUT", "/swarms/{swarm_key}/access/{app_key}", f"{_REALMS}.access.grant", path=SWARM | APP, body=("provider",)
    ),
    Route(
        "DELETE", "/swarms/{swarm_key}/access/{app_key}", f"{_REALMS}.access.revoke",
        path=SWARM | APP, query={"provider": Kind.TEXT},
    ),
    Route("GET", "/swarms/{swarm_key}/realms", f"{_REALMS}.realm.list", path=SWARM, query={"closed": Kind.FLAG}),
    Route(
        "DELETE", "/swarms/{swarm_key}/realms/{app_key}/{stage}/data", f"{_REALMS}.backend.drop",
        path=BACKEND, query={"confirm": Kind.TEXT},
    ),
    Route(
        "POST", "/swarms/{swarm_key}/realms/{app_key}/{stage}/rotate-login", f"{_REALMS}.backend.rotate",
        path=BACKEND, body=(),
    ),
    Route(
        "GET", "/swarms/{swarm_key}/realms/{app_key}/{stage}/retention", f"{_REALMS}.backend.retention", path=BACKEND
    ),
    Route(
        "PUT", "/swarms/{swarm_key}/realms/{app_key}/{stage}/retention", f"{_REALMS}.backend.set_retention",
        path=BACKEND, body=("table", "keep_s"),
    ),
    # Boards
    Route("GET", "/swarms/{swarm_key}/boards", f"{_REALMS}.board.list", path=SWARM, query=PAGE),
    Route(
        "POST", "/swarms/{swarm_key}/boards", f"{_REALMS}.board.create",
        path=SWARM, body=("name", "description", "content"), status=201,
    ),
    Route("GET", "/boards/{board_key}", f"{_REALMS}.board.show", path=BOARD),
    Route(
        "PATCH", "/boards/{board_key}", f"{_REALMS}.board.update", path=BOARD, body=("name", "description", "content")
    ),
    Route("DELETE", "/boards/{board_key}", f"{_REALMS}.board.delete", path=BOARD),
    Route(
        "POST", "/boards/{board_key}/open", f"{_REALMS}.board.open", path=BOARD, body=("app", "stage"), is_secret=True
    ),
    # Tunnels
    Route(
        "GET", "/tunnels", f"{_TUNNELS}.tunnel.list", query={"device": Kind.EITHER, "project": Kind.EITHER, **PAGE}
    ),
    Route(
        "POST", "/devices/{device_key}/tunnels", f"{_TUNNELS}.tunnel.declare",
        path=DEVICE, body=("app", "port", "protocol"), status=201,
    ),
    Route("DELETE", "/tunnels/{tunnel_key}", f"{_TUNNELS}.tunnel.withdraw", path=TUNNEL),
    Route("PUT", "/tunnels/{tunnel_key}/public", f"{_TUNNELS}.tunnel.publish", path=TUNNEL, body=("until",)),
    Route("DELETE", "/tunnels/{tunnel_key}/public", f"{_TUNNELS}.tunnel.unpublish", path=TUNNEL),
    Route("POST", "/tunnels/{tunnel_key}/close", f"{_TUNNELS}.tunnel.close", path=TUNNEL, body=()),
    Route(
        "POST", "/tunnels/{tunnel_key}/tickets", f"{_TUNNELS}.ticket.issue",
        path=TUNNEL, body=("hours",), status=201, is_secret=True,
    ),
    Route(
        "GET", "/visits", f"{_TUNNELS}.visit.list",
        query={"device": Kind.EITHER, "project": Kind.EITHER, "account": Kind.WHOLE, **PAGE},
    ),
    Route("GET", "/swarms/{swarm_key}/recordings", f"{_TUNNELS}.recording.list", path=SWARM, query=PAGE),
    Route("PUT", "/swarms/{swarm_key}/recorded-apps", f"{_TUNNELS}.recording.choose", path=SWARM, body=("apps",)),
    Route(
        "GET", "/visits/{visit_key}/recording", f"{_TUNNELS}.recording.fetch",
        path={"visit_key": "visit"}, query={"part": Kind.WHOLE},
    ),
    # Who works in a project
    Route("GET", "/swarms/{swarm_key}/members", f"{_RIGHTS}.member.list", path=SWARM),
    Route(
        "DELETE", "/swarms/{swarm_key}/members/{account_key}", f"{_RIGHTS}.member.remove",
        path=SWARM | {"account_key": "account"}, query={"reason": Kind.TEXT},
    ),
    Route("POST", "/swarms/{swarm_key}/leave", f"{_RIGHTS}.member.leave", path=SWARM, body=()),
    Route(
        "POST", "/swarms/{swarm_key}/invitations", f"{_RIGHTS}.invitation.create",
        path=SWARM, body=("account", "reason"), status=201,
    ),
    Route("GET", "/swarm-invitations", f"{_RIGHTS}.invitation.list", query={"project": Kind.EITHER}),
    Route(
        "POST", "/swarm-invitations/{invitation_key}/accept", f"{_RIGHTS}.invitation.accept", path=INVITATION, body=()
    ),
    Route(
        "POST", "/swarm-invitations/{invitation_key}/decline", f"{_RIGHTS}.invitation.decline",
        path=INVITATION, body=(),
    ),
    Route("DELETE", "/swarm-invitations/{invitation_key}", f"{_RIGHTS}.invitation.revoke", path=INVITATION),
    Route("GET", "/transfers", f"{_RIGHTS}.transfer.list"),
    Route(
        "POST", "/swarms/{swarm_key}/transfer", f"{_RIGHTS}.transfer.offer",
        path=SWARM, body=("account", "reason"), status=201,
    ),
    Route("POST", "/swarms/{swarm_key}/transfer/accept", f"{_RIGHTS}.transfer.accept", path=SWARM, body=()),
    Route("DELETE", "/swarms/{swarm_key}/transfer", f"{_RIGHTS}.transfer.withdraw", path=SWARM),
    Route("GET", "/app-transfers", f"{_RIGHTS}.app_transfer.list"),
    Route(
        "POST", "/apps/{app_key}/transfer", f"{_RIGHTS}.app_transfer.offer",
        path=APP, body=("account", "reason"), status=201,
    ),
    Route("POST", "/apps/{app_key}/transfer/accept", f"{_RIGHTS}.app_transfer.accept", path=APP, body=()),
    Route("DELETE", "/apps/{app_key}/transfer", f"{_RIGHTS}.app_transfer.withdraw", path=APP),
    # Who may do what
    Route("GET", "/flags", f"{_RIGHTS}.flag.list"),
    Route(
        "GET", "/checks", f"{_RIGHTS}.flag.check",
        query={**ASSET, "flag": Kind.TEXT, "account": Kind.EITHER, "at": Kind.TEXT},
    ),
    Route("POST", "/checks", f"{_RIGHTS}.flag.check_many", body=("checks",)),
    Route(
        "GET", "/explanations", f"{_RIGHTS}.flag.explain", query={**ASSET, "account": Kind.EITHER, "at": Kind.TEXT}
    ),
    Route(
        "GET", "/assets", f"{_RIGHTS}.asset.list",
        query={"kind": Kind.TEXT, "flag": Kind.TEXT, "account": Kind.EITHER, "despite_locks": Kind.FLAG, **PAGE},
    ),
    Route("GET", "/people", f"{_RIGHTS}.person.list", query={**ASSET, "flag": Kind.TEXT, **PAGE}),
    Route("GET", "/changes", f"{_RIGHTS}.change.list", query={**ASSET, "account": Kind.EITHER, **PAGE}),
    Route("GET", "/grants", f"{_RIGHTS}.grant.list", query={**ASSET, **PAGE}),
    Route(
        "POST", "/grants", f"{_RIGHTS}.grant.give",
        body=("account", "kind", "key", "flags", "ends_at", "is_visit", "reason"),
    ),
    Route(
        "DELETE", "/grants", f"{_RIGHTS}.grant.take",
        query={**ASSET, "account": Kind.EITHER, "flags": Kind.NAMES, "reason": Kind.TEXT},
    ),
    Route("GET", "/swarms/{swarm_key}/defaults", f"{_RIGHTS}.default.list", path=SWARM),
    Route(
        "POST", "/swarms/{swarm_key}/defaults", f"{_RIGHTS}.default.set",
        path=SWARM, body=("kind", "flags", "ends_at", "reason"),
    ),
    Route(
        "DELETE", "/swarms/{swarm_key}/defaults", f"{_RIGHTS}.default.unset",
        path=SWARM, query={"kind": Kind.TEXT, "flags": Kind.NAMES, "reason": Kind.TEXT},
    ),
    # Where projects live
    Route("GET", "/clusters", f"{_REALMS}.cluster.list"),
    Route("POST", "/clusters", f"{_REALMS}.cluster.add", body=("name", "region", "capacity"), status=201),
    Route("DELETE", "/clusters/{cluster}", f"{_REALMS}.cluster.forget", path=CLUSTER, query={"confirm": Kind.TEXT}),
    Route("PUT", "/clusters/{cluster}", f"{_REALMS}.cluster.update", path=CLUSTER, body=("state", "capacity")),
    Route("GET", "/cells", f"{_REALMS}.cell.list"),
    Route("POST", "/cells", f"{_REALMS}.cell.add", body=("name", "region", "endpoint", "capacity"), status=201),
    Route("PUT", "/cells/{cell}", f"{_REALMS}.cell.update", path=CELL, body=("state", "capacity")),
    Route("GET", "/moves", f"{_REALMS}.move.list", query={"project": Kind.WHOLE}),
    Route("POST", "/moves", f"{_REALMS}.move.create", body=("project", "cluster"), status=201),
    Route("POST", "/moves/{move_key}/abandon", f"{_REALMS}.move.abandon", path={"move_key": "move_key"}, body=()),
    Route("GET", "/locks", f"{_RIGHTS}.lock.list"),
    Route("POST", "/locks", f"{_RIGHTS}.lock.create", body=("kind", "key", "ends_at", "reason"), status=201),
    Route(
        "DELETE", "/locks/{lock_key}", f"{_RIGHTS}.lock.end",
        path={"lock_key": "lock_key"}, query={"reason": Kind.TEXT},
    ),
    # One's own account
    Route("GET", "/account", f"{_AUTH}.account.me"),
    Route("PATCH", "/account", f"{_AUTH}.account.rename", body=("display_name", "locale")),
    Route("POST", "/account/export", f"{_AUTH}.account.export", body=(), is_secret=True),
    Route("POST", "/account/erase", f"{_AUTH}.account.erase", body=("confirm", "with_projects")),
    Route("POST", "/account/setup-link", f"{_AUTH}.account.setup_link", body=(), is_secret=True),
    Route("GET", "/sessions", f"{_AUTH}.session.list"),
    Route("DELETE", "/sessions", f"{_AUTH}.session.end_all", query={"but_this": Kind.FLAG}),
    Route("DELETE", "/sessions/{session}", f"{_AUTH}.session.end", path={"session": "session"}),
    Route("GET", "/factors", f"{_AUTH}.factor.list"),
    Route("DELETE", "/factors/totp", f"{_AUTH}.totp.remove"),
    Route("POST", "/factors/recovery-codes", f"{_AUTH}.recovery_codes.renew", body=(), is_secret=True),
    Route(
        "PATCH", "/factors/passkeys/{passkey}", f"{_AUTH}.passkey.rename", path={"passkey": "passkey"}, body=("name",)
    ),
    Route("DELETE", "/factors/passkeys/{passkey}", f"{_AUTH}.passkey.remove", path={"passkey": "passkey"}),
    Route("GET", "/api-keys", f"{_AUTH}.api_key.list", query={"account_key": Kind.WHOLE}),
    Route(
        "POST", "/api-keys", f"{_AUTH}.api_key.create",
        body=("name", "scopes", "ends_at", "account_key"), status=201, is_secret=True,
    ),
    Route(
        "POST", "/api-keys/{key_id}/rotate", f"{_AUTH}.api_key.rotate",
        path={"key_id": "key_id"}, body=("overlap_s",), status=201, is_secret=True,
    ),
    Route(
        "DELETE", "/api-keys/{key_id}", f"{_AUTH}.api_key.end",
        path={"key_id": "key_id"}, query={"reason": Kind.TEXT},
    ),
    Route("GET", "/service-accounts", f"{_AUTH}.service_account.list"),
    Route("POST", "/service-accounts", f"{_AUTH}.service_account.create", body=("name",), status=201),
    Route(
        "DELETE", "/service-accounts/{account_key}", f"{_AUTH}.service_account.end",
        path={"account_key": "account_key"}, query={"with_projects": Kind.FLAG},
    ),
    Route("GET", "/consents", f"{_AUTH}.consent.list"),
    Route("DELETE", "/consents/{client_id}", f"{_AUTH}.consent.revoke", path={"client_id": "client_id"}),
    Route("GET", "/clients", f"{_AUTH}.client.list"),
    Route("POST", "/clients", f"{_AUTH}.client.register", body=CLIENT, status=201, is_secret=True),
    Route("DELETE", "/clients/{client_id}", f"{_AUTH}.client.end", path={"client_id": "client_id"}),
    # Other people
    Route("GET", "/invitations", f"{_AUTH}.invitation.list"),
    Route("POST", "/invitations", f"{_AUTH}.account.invite", body=("address", "locale"), status=201),
    Route(
        "DELETE", "/invitations/{account_key}", f"{_AUTH}.invitation.revoke", path={"account_key": "account_key"}
    ),
    Route(
        "POST", "/accounts/{account_key}/disable", f"{_AUTH}.account.disable",
        path={"account_key": "account_key"}, body=("reason",),
    ),
    Route(
        "POST", "/accounts/{account_key}/enable", f"{_AUTH}.account.enable",
        path={"account_key": "account_key"}, body=("reason",),
    ),
    # The log
    Route("GET", "/audit/entries", f"{_AUDIT}.entry.list", query={**CHOSEN, **PAGE, "offset": Kind.WHOLE}),
    Route("GET", "/audit/entries/{entry_id}", f"{_AUDIT}.entry.show", path={"entry_id": "entry_id"}),
    Route("GET", "/audit/entries/{entry_id}/proof", f"{_AUDIT}.entry.proof", path={"entry_id": "entry_id"}),
    Route("GET", "/audit/head", f"{_AUDIT}.head.show"),
    Route("GET", "/audit/consistency/{from_size}", f"{_AUDIT}.head.consistency", path={"from_size": "from_size"}),
    Route("GET", "/swarms/{swarm_key}/retention", f"{_AUDIT}.retention.show", path=SWARM),
    Route("PUT", "/swarms/{swarm_key}/retention", f"{_AUDIT}.retention.set", path=SWARM, body=("days",)),
)  # fmt: skip


def routes_at(segments: tuple[str, ...]) -> tuple[Route, ...]:
    """The routes of the path with these parts, one a method; where two templates fit, the one that names more."""
    fitting = [route for route in ROUTES if _fits(route.segments, segments)]
    most = max((_named(route) for route in fitting), default=0)
    return tuple(route for route in fitting if _named(route) == most)


def placeholders(route: Route, segments: tuple[str, ...]) -> dict[str, str]:
    """What stands in the path for each placeholder of `route`."""
    pairs = zip(route.segments, segments, strict=True)
    return {part[1:-1]: found for part, found in pairs if part.startswith("{")}


def allowed(routes: Iterable[Route]) -> str:
    """The methods of one path, as the header `Allow` names them."""
    methods = {route.method for route in routes}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def _fits(template: tuple[str, ...], segments: tuple[str, ...]) -> bool:
    if len(template) != len(segments):
        return False
    return all(part.startswith("{") or part == found for part, found in zip(template, segments, strict=True))


def _named(route: Route) -> int:
    return sum(not part.startswith("{") for part in route.segments)
