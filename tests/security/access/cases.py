"""How each procedure is asked: arguments with which the decision about access is reached, and what guards it.

A procedure for people that has no case here fails a test.
"""

from typing import Any, Final

from tests.security.access import scene as made
from tests.security.access.records import Case, Known
from tests.security.access.scene import AUDIT, AUTH, DEVICES, PROJECTS, REALMS, RIGHTS, TUNNELS

SIGNED_IN: Final = "signed in"
OWN: Final = "one's own"
OWNER: Final = "owner of the project"
APP_OWNER: Final = "owner of the app"
PAST: Final = "2000-01-01T00:00:00Z"
"""An end that is refused, once the decision about access is made."""
DEVICE: Final = {"device": "{device}"}
PROJECT: Final = {"project": "{project}"}
GROUP: Final = {"group": "{group}"}
ROLLOUT: Final = {"rollout": "{rollout}"}
APP: Final = {"app": "{app}"}
BOARD: Final = {"board": "{board}"}
TUNNEL: Final = {"tunnel": "{tunnel}"}
NO_TERMINAL: Final = {"terminal": "00000000-0000-4000-8000-000000000001"}
APP_ON_DEVICE: Final = {**DEVICE, "app": 2**53 - 1, "stage": "DEV"}
"""Which is not on the device: said once the decision about access is made."""
ASSET: Final = {"kind": "device", "key": "{device}"}
OF_BYSTANDER: Final = {**ASSET, "account": "{bystander}"}


def has(rows: str, field: str, name: str) -> Any:
    """Whether a list shows the thing that is known as `name`."""

    def sees(known: Known, answer: Any) -> bool:
        return known[name] in [row[field] for row in answer[rows]]

    return sees


def _is_told(_: Known, answer: Any) -> bool:
    """Whether the answer is what is true: the bystander may read the device."""
    return bool(answer["allowed"])


def _are_told(_: Known, answer: Any) -> bool:
    return all(each["allowed"] for each in answer["answers"])


def _has_key(known: Known, answer: Any) -> bool:
    return known["device"] in answer["keys"]


_ACCOUNTS: Final = (
    Case(f"{AUTH}.account.me", SIGNED_IN),
    Case(f"{AUTH}.account.erase", OWN, {"confirm": "somebody else"}),
    Case(f"{AUTH}.account.rename", OWN, {"display_name": "Somebody", "locale": "en"}),
    Case(f"{AUTH}.account.export", OWN),
    Case(f"{AUTH}.account.setup_link", OWN),
    Case(f"{AUTH}.account.invite", "installation INVITE", {"address": "guest@example.com"}),
    Case(f"{AUTH}.account.disable", "installation LOCK", {"account_key": "{victim}", "reason": "tried"}),
    Case(f"{AUTH}.account.enable", "installation LOCK", {"account_key": "{victim}", "reason": "tried"}),
    Case(f"{AUTH}.invitation.list", "installation INVITE"),
    Case(f"{AUTH}.invitation.revoke", "installation INVITE", {"account_key": "{account_key}"}, made.new_guest),
    Case(
        f"{AUTH}.api_key.create", OWN, {"name": "reports", "scopes": ["read"], "account_key": "{robot}"},
        about="of a service account",
    ),
    Case(f"{AUTH}.api_key.create", SIGNED_IN, {"name": "mine", "scopes": ["read"]}, about="of oneself"),
    Case(f"{AUTH}.api_key.list", OWN, {"account_key": "{robot}"}, about="of a service account"),
    Case(f"{AUTH}.api_key.rotate", OWN, {"key_id": "{key_id}", "overlap_s": 60}, made.new_key),
    Case(f"{AUTH}.api_key.end", OWN, {"key_id": "{key_id}"}, made.new_key),
    Case(f"{AUTH}.service_account.create", SIGNED_IN, {"name": "robot"}),
    Case(
        f"{AUTH}.service_account.list", OWN, sees=has("service_accounts", "account_key", "robot"),
    ),
    Case(f"{AUTH}.service_account.end", OWN, {"account_key": "{account_key}"}, made.new_robot),
    Case(f"{AUTH}.client.register", "installation GRANT", {"name": "reports", "redirect_uris": ["https://a.test/b"]}),
    Case(f"{AUTH}.client.list", "installation GRANT"),
    Case(f"{AUTH}.client.end", "installation GRANT", {"client_id": "flockctl"}),
    Case(f"{AUTH}.consent.list", OWN, makes=made.new_consent, sees=has("consents", "client_id", "client_id")),
    Case(f"{AUTH}.consent.revoke", OWN, {"client_id": "{client_id}"}, made.new_consent),
    Case(f"{AUTH}.session.list", OWN, makes=made.new_session, sees=has("sessions", "session", "session")),
    Case(f"{AUTH}.session.end", OWN, {"session": "{session}"}, made.new_session),
    Case(f"{AUTH}.session.end_all", SIGNED_IN),
    Case(f"{AUTH}.factor.list", SIGNED_IN),
    Case(f"{AUTH}.totp.remove", SIGNED_IN, makes=made.new_totp, undo=made.without_factors),
    Case(
        f"{AUTH}.passkey.rename", OWN, {"passkey": "{passkey}", "name": "mine"}, made.new_passkey,
        undo=made.without_factors,
    ),
    Case(f"{AUTH}.passkey.remove", OWN, {"passkey": "{passkey}"}, made.new_passkey, undo=made.without_factors),
    Case(f"{AUTH}.recovery_codes.renew", SIGNED_IN),
)  # fmt: skip

_THINGS: Final = (
    Case(f"{PROJECTS}.create", SIGNED_IN, {"name": "plant"}),
    Case(f"{PROJECTS}.list", "project READ", {"limit": 1000}, sees=has("projects", "project_key", "project")),
    Case(f"{PROJECTS}.show", "project READ", PROJECT),
    Case(f"{PROJECTS}.require_factor", "project GRANT", {**PROJECT, "required": False}),
    Case(f"{PROJECTS}.require_same_address", "project GRANT", {**PROJECT, "required": True}),
    Case(f"{PROJECTS}.set_legacy_mode", OWNER, {**PROJECT, "mode": "strict"}),
    Case(f"{REALMS}.app.create", SIGNED_IN, {"name": "press"}),
    Case(f"{REALMS}.app.list", "app READ", {"limit": 1000}, sees=has("apps", "app_key", "app")),
    Case(f"{REALMS}.app.show", "app READ", APP),
    Case(f"{REALMS}.app.rename", "app UPDATE", {**APP, "name": "press"}),
    Case(f"{REALMS}.app.publish", APP_OWNER, {**APP, "is_public": False}),
    Case(f"{REALMS}.app.delete", "app DELETE", APP),
    Case(f"{REALMS}.release.create", "app RELEASE", {**APP, "version": "2.0"}),
    Case(f"{REALMS}.release.list", "app READ", APP),
    Case(f"{REALMS}.release.show", "app READ", {**APP, "version": "1.0"}),
    Case(f"{REALMS}.install.create", "project INSTALL_APPS, app INSTALL", {**PROJECT, **APP, "stage": "DEV"}),
    Case(f"{REALMS}.install.list", "project READ", PROJECT, sees=has("installs", "app_key", "app")),
    Case(f"{REALMS}.install.delete", "project INSTALL_APPS", {**PROJECT, **APP, "stage": "PROD"}, made.new_install),
    Case(f"{REALMS}.realm.list", "project READ", PROJECT, sees=has("realms", "app_key", "app")),
    Case(f"{REALMS}.backend.rotate", "data_backend UPDATE", {**PROJECT, **APP, "stage": "DEV"}),
    Case(f"{REALMS}.backend.retention", "data_backend READ", {**PROJECT, **APP, "stage": "DEV"}),
    Case(
        f"{REALMS}.backend.set_retention", "data_backend UPDATE",
        {**PROJECT, **APP, "stage": "DEV", "table": "error-logs"},
    ),
    Case(f"{REALMS}.backend.drop", "data_backend DELETE", {**PROJECT, **APP, "stage": "DEV", "confirm": "nothing"}),
    Case(f"{REALMS}.board.create", "project CREATE_BOARDS", {**PROJECT, "name": "line"}),
    Case(f"{REALMS}.board.list", "board READ", {**PROJECT, "limit": 1000}, sees=has("boards", "board_key", "board")),
    Case(f"{REALMS}.board.show", "board READ", BOARD),
    Case(f"{REALMS}.board.update", "board UPDATE", {**BOARD, "description": "tried"}),
    Case(f"{REALMS}.board.delete", "board DELETE", BOARD, made.new_board),
    Case(f"{REALMS}.cluster.add", "installation PLACE", {"name": "first", "region": "south", "capacity": 1}),
    Case(f"{REALMS}.cluster.forget", "installation PLACE", {"cluster": "first", "confirm": "first"}),
    Case(f"{REALMS}.cluster.list", "installation PLACE"),
    Case(f"{REALMS}.cluster.update", "installation PLACE", {"cluster": "first"}),
    Case(
        f"{REALMS}.cell.add", "installation PLACE",
        {"name": "first", "region": "south", "endpoint": "wss://south.test", "capacity": 1},
    ),
    Case(f"{REALMS}.cell.list", "installation PLACE"),
    Case(f"{REALMS}.cell.update", "installation PLACE", {"cell": "first"}),
    Case(f"{REALMS}.move.create", "installation PLACE", {"project": "{project}", "cluster": "first"}),
    Case(f"{REALMS}.move.list", "installation PLACE"),
    Case(f"{REALMS}.move.abandon", "installation PLACE", {"move_key": "{move_key}"}, made.new_move),
    Case(f"{REALMS}.board.open", "board READ, data_backend READ", {**BOARD, **APP, "stage": "DEV"}),
    Case(f"{REALMS}.access.list", "project READ", PROJECT, sees=has("access", "app_key", "app")),
    Case(f"{REALMS}.access.grant", OWNER, {**PROJECT, **APP, "provider": "*"}),
    Case(f"{REALMS}.access.revoke", OWNER, {**PROJECT, **APP, "provider": "*"}),
    Case(f"{DEVICES}.device.create", "project CREATE_DEVICES", {**PROJECT, "name": "press"}),
    Case(f"{DEVICES}.device.list", "device READ", {"limit": 1000}, sees=has("devices", "device_key", "device")),
    Case(
        f"{DEVICES}.device.list", "device READ", {**PROJECT, "limit": 1000}, about="of a project",
        sees=has("devices", "device_key", "device"),
    ),
    Case(f"{DEVICES}.device.show", "device READ", DEVICE),
    Case(f"{DEVICES}.device.flash", "device MAINTAIN", DEVICE, made.new_device),
    Case(f"{DEVICES}.device.delete", "device DELETE", DEVICE, made.new_device),
    Case(f"{DEVICES}.device.rename", "device UPDATE", {**DEVICE, "name": "press-one"}),
    Case(f"{DEVICES}.device.watch", "device READ", PROJECT, sees=has("devices", "device_key", "device")),
    Case(f"{DEVICES}.device.set_claimable", "device GRANT, device DELETE", {**DEVICE, "is_claimable": False}),
    Case(f"{DEVICES}.device.claim", "project CREATE_DEVICES", {**PROJECT, "code": "{code}"}, made.new_code),
    Case(
        f"{DEVICES}.device.move", "device GRANT, device DELETE, project CREATE_DEVICES", {**DEVICE, "to": "{project}"},
    ),
    Case(f"{DEVICES}.device.tag", "device UPDATE", {**DEVICE, "set": {"line": "4"}}),
    Case(f"{DEVICES}.device.decommission", "device DELETE", DEVICE, made.new_device),
    Case(f"{DEVICES}.decommission.list", "project READ", PROJECT),
    Case(f"{DEVICES}.device.exec", "device DEVELOP", {**DEVICE, "command": "true"}),
    Case(f"{DEVICES}.device.reboot", "device MAINTAIN", DEVICE),
    Case(f"{DEVICES}.device.shutdown", "device MAINTAIN", DEVICE),
    Case(f"{DEVICES}.device.restart_agent", "device MAINTAIN", DEVICE),
    Case(f"{DEVICES}.device.update_agent", "device MAINTAIN", DEVICE),
    Case(f"{DEVICES}.device.download_os_update", "device MAINTAIN", DEVICE),
    Case(f"{DEVICES}.device.install_os_update", "device MAINTAIN", DEVICE),
    Case(f"{DEVICES}.device.agent_metadata", "device READ", DEVICE),
    Case(f"{DEVICES}.device.os_release", "device READ", DEVICE),
    Case(f"{DEVICES}.device.storage", "device READ", DEVICE),
    Case(f"{DEVICES}.device.handshake", "device READ", DEVICE),
    Case(f"{DEVICES}.device.tunnel_state", "device READ", DEVICE),
    Case(f"{DEVICES}.device.containers", "device READ", DEVICE),
    Case(f"{DEVICES}.device.images", "device READ", DEVICE),
    Case(f"{DEVICES}.device.prune_images", "device MAINTAIN", DEVICE),
    Case(f"{DEVICES}.device.addresses", "device READ", DEVICE),
    Case(f"{DEVICES}.device.networks", "device READ", DEVICE),
    Case(f"{DEVICES}.device.interfaces", "device READ", DEVICE),
    Case(
        f"{DEVICES}.device.set_address", "device NETWORK",
        {**DEVICE, "interface": "eth0", "mac": "02:00:00:00:00:01", "method": "auto"},
    ),
    Case(f"{DEVICES}.device.wifi_networks", "device READ", DEVICE),
    Case(f"{DEVICES}.device.scan_wifi", "device NETWORK", DEVICE),
    Case(f"{DEVICES}.device.add_wifi", "device NETWORK", {**DEVICE, "ssid": "a", "password": "12345678"}),
    Case(f"{DEVICES}.device.remove_wifi", "device NETWORK", {**DEVICE, "ssid": "a"}),
    Case(f"{DEVICES}.device.select_wifi", "device NETWORK", {**DEVICE, "ssid": "a", "mac": "02:00:00:00:00:01"}),
    Case(f"{DEVICES}.device.restart_wifi", "device NETWORK", DEVICE),
    Case(f"{DEVICES}.device.logs", "device READ", DEVICE),
    Case(f"{DEVICES}.device.app_logs", "device READ", APP_ON_DEVICE),
    Case(f"{DEVICES}.device.app_log_history", "device READ", APP_ON_DEVICE),
    Case(f"{DEVICES}.device.follow_logs", "device READ", APP_ON_DEVICE),
    Case(f"{DEVICES}.device.follow_progress", "device READ", DEVICE),
    Case(f"{DEVICES}.device.terminal", "device DEVELOP", DEVICE),
    Case(f"{DEVICES}.device.terminal_write", OWN, {**NO_TERMINAL, "keys": "x"}),
    Case(f"{DEVICES}.device.terminal_resize", OWN, {**NO_TERMINAL, "columns": 80, "rows": 24}),
    Case(f"{DEVICES}.device.terminal_close", OWN, {**NO_TERMINAL}),
    Case(f"{DEVICES}.app.install", "device INSTALL", APP_ON_DEVICE),
    Case(f"{DEVICES}.app.uninstall", "device INSTALL", APP_ON_DEVICE),
    Case(f"{DEVICES}.app.list", "device READ", DEVICE),
    Case(f"{DEVICES}.app.rotate_credential", "device INSTALL", APP_ON_DEVICE),
    Case(f"{DEVICES}.app.environment", "device DEVELOP", APP_ON_DEVICE),
    Case(f"{DEVICES}.app.status", "device READ", APP_ON_DEVICE),
    Case(f"{DEVICES}.app.start", "device OPERATE", APP_ON_DEVICE),
    Case(f"{DEVICES}.app.stop", "device OPERATE", APP_ON_DEVICE),
    Case(f"{DEVICES}.app.remove", "device INSTALL", APP_ON_DEVICE),
    Case(f"{DEVICES}.app.upgrade", "device INSTALL", APP_ON_DEVICE),
    Case(f"{DEVICES}.app.rollback", "device INSTALL", APP_ON_DEVICE),
    Case(f"{DEVICES}.app.cancel", "device INSTALL", APP_ON_DEVICE),
    Case(f"{DEVICES}.app.variables", "device READ", APP_ON_DEVICE),
    Case(f"{DEVICES}.app.set_environment", "device DEVELOP", {**APP_ON_DEVICE, "values": {}}),
    Case(f"{DEVICES}.app.set_ports", "device UPDATE", {**APP_ON_DEVICE, "ports": []}),
    Case(f"{DEVICES}.app.confirm", "device INSTALL", DEVICE),
    Case(f"{DEVICES}.group_app.set", "group UPDATE", {**GROUP, **APP, "stage": "DEV", "version": "1.0"}),
    Case(f"{DEVICES}.group_app.unset", "group UPDATE", {**GROUP, **APP, "stage": "DEV"}),
    Case(f"{DEVICES}.group_app.list", "group READ", GROUP),
    Case(f"{DEVICES}.rollout.plan", "project READ", {**PROJECT, "action": "update_agent"}),
    Case(
        f"{DEVICES}.rollout.start", "project READ, device READ, device MAINTAIN",
        {**PROJECT, "action": "update_agent", "devices": ["{device}"]}, made.without_rollouts,
    ),
    Case(
        f"{DEVICES}.rollout.list", "project READ", PROJECT, made.new_rollout,
        sees=has("rollouts", "rollout_key", "rollout"),
    ),
    Case(f"{DEVICES}.rollout.show", "project READ", ROLLOUT, made.new_rollout),
    Case(f"{DEVICES}.rollout.watch", "project READ", ROLLOUT, made.new_rollout),
    Case(f"{DEVICES}.rollout.pause", "project READ, project UPDATE", ROLLOUT, made.new_rollout),
    Case(f"{DEVICES}.rollout.resume", "project READ, project UPDATE", ROLLOUT, made.new_rollout),
    Case(f"{DEVICES}.rollout.abort", "project READ, project UPDATE", ROLLOUT, made.new_rollout),
    Case(f"{DEVICES}.install.confirm", "project INSTALL_APPS", PROJECT),
    Case(f"{DEVICES}.alert.list", "project READ", PROJECT),
    Case(f"{DEVICES}.alert.acknowledge", "project UPDATE", {"alert": "{alert}"}, made.new_alert),
    Case(f"{DEVICES}.alert.watch", "project READ", PROJECT),
    Case(f"{DEVICES}.alert_rule.list", "project READ", PROJECT),
    Case(f"{DEVICES}.alert_rule.set", "project UPDATE", {**PROJECT, "kind": "app_failed", "is_on": True}),
    Case(
        f"{DEVICES}.alert_channel.create", "project UPDATE", {**PROJECT, "name": "{name}", "url": "https://localhost:1/"},
        made.new_channel_name,
    ),
    Case(f"{DEVICES}.alert_channel.list", "project UPDATE", PROJECT),
    Case(f"{DEVICES}.alert_channel.delete", "project UPDATE", {"channel": "{channel}"}, made.new_channel),
    Case(f"{DEVICES}.alert_channel.test", "project UPDATE", {"channel": "{channel}"}, made.new_channel),
    Case(f"{DEVICES}.group.create", "project CREATE_GROUPS", {**PROJECT, "name": "line"}),
    Case(f"{DEVICES}.group.list", "group READ", {"limit": 1000}, sees=has("groups", "group_key", "group")),
    Case(f"{DEVICES}.group.show", "group READ", GROUP),
    Case(f"{DEVICES}.group.rename", "group UPDATE", {**GROUP, "name": "line-one"}),
    Case(f"{DEVICES}.group.delete", "group DELETE", GROUP, made.new_group),
    Case(f"{DEVICES}.group.add_device", "group MEMBERS, device READ, device GRANT", {**GROUP, **DEVICE}),
    Case(f"{DEVICES}.group.remove_device", "group MEMBERS", {**GROUP, **DEVICE}, made.new_group),
    Case(
        "ironflock.fleetdb.backend.export", "data_backend READ",
        {**PROJECT, **APP, "stage": "DEV", "table": "error-logs"},
    ),
    Case(f"{TUNNELS}.tunnel.declare", "device UPDATE", {**DEVICE, "app": "cam", "port": 8080}),
    Case(
        f"{TUNNELS}.tunnel.list", "device READ", {"limit": 1000}, sees=has("tunnels", "tunnel_key", "tunnel"),
    ),
    Case(f"{TUNNELS}.tunnel.list", "device READ", DEVICE, about="of a device"),
    Case(f"{TUNNELS}.tunnel.withdraw", "device UPDATE", {"tunnel": "{new_tunnel}"}, made.new_tunnel),
    Case(f"{TUNNELS}.tunnel.publish", "device UPDATE", {**TUNNEL, "until": "2999-01-01T00:00:00Z"}),
    Case(f"{TUNNELS}.tunnel.unpublish", "device UPDATE", TUNNEL),
    Case(f"{TUNNELS}.tunnel.close", "device REMOTE_ACCESS", TUNNEL),
    Case(f"{TUNNELS}.ticket.issue", "device REMOTE_ACCESS", TUNNEL),
    Case(f"{TUNNELS}.visit.list", "device READ", DEVICE),
    Case(f"{TUNNELS}.recording.choose", "project GRANT", {**PROJECT, "apps": ["console"]}),
    Case(f"{TUNNELS}.recording.list", "project AUDIT", PROJECT),
    Case(f"{TUNNELS}.recording.fetch", "project AUDIT", {"visit": "{visit}"}),
    Case(f"{AUDIT}.entry.list", "project AUDIT", PROJECT),
    Case(
        f"{AUDIT}.entry.list", "project AUDIT", {"action": "device.created", "limit": 1000},
        about="without a project", sees=has("entries", "id", "entry_id"),
    ),
    Case(f"{AUDIT}.entry.list", OWN, {"account": "{owner}"}, about="of an account"),
    Case(f"{AUDIT}.entry.show", "project AUDIT", {"entry_id": "{entry_id}"}),
    Case(f"{AUDIT}.entry.tail", "project AUDIT", PROJECT),
    Case(f"{AUDIT}.entry.proof", "project AUDIT", {"entry_id": "{entry_id}"}),
    Case(f"{AUDIT}.entry.export", "project AUDIT", PROJECT),
    Case(f"{AUDIT}.head.show", SIGNED_IN),
    Case(f"{AUDIT}.head.consistency", SIGNED_IN, {"from_size": 1}),
    Case(f"{AUDIT}.retention.set", "project DELETE", {**PROJECT, "days": 365}),
    Case(f"{AUDIT}.retention.show", "project AUDIT", PROJECT),
)  # fmt: skip

_RIGHTS: Final = (
    Case(f"{RIGHTS}.flag.list", SIGNED_IN),
    Case(f"{RIGHTS}.flag.check", SIGNED_IN, {**ASSET, "flag": "READ"}, about="about oneself"),
    Case(
        f"{RIGHTS}.flag.check", "device GRANT", {**OF_BYSTANDER, "flag": "READ"}, about="about somebody", sees=_is_told
    ),
    Case(
        f"{RIGHTS}.flag.check_many", "device GRANT", {"checks": [{**OF_BYSTANDER, "flag": "READ"}] * 2},
        about="about somebody", sees=_are_told,
    ),
    Case(f"{RIGHTS}.flag.explain", SIGNED_IN, ASSET, about="about oneself"),
    Case(f"{RIGHTS}.flag.explain", "device GRANT", OF_BYSTANDER, about="about somebody"),
    Case(f"{RIGHTS}.asset.list", SIGNED_IN, {"kind": "device", "flag": "READ"}, about="of oneself"),
    Case(
        f"{RIGHTS}.asset.list", "device GRANT", {"kind": "device", "flag": "READ", "account": "{bystander}"},
        about="of somebody", sees=_has_key,
    ),
    Case(f"{RIGHTS}.person.list", "device GRANT", {**ASSET, "flag": "READ"}),
    Case(f"{RIGHTS}.change.list", SIGNED_IN, about="of oneself"),
    Case(f"{RIGHTS}.change.list", "project AUDIT", {"kind": "project", "key": "{project}"}, about="of a project"),
    Case(f"{RIGHTS}.change.list", "project AUDIT", ASSET, about="of a device"),
    Case(f"{RIGHTS}.invitation.create", "project GRANT", {**PROJECT, "account": "{nobody_login}"}),
    Case(f"{RIGHTS}.invitation.list", "project GRANT", PROJECT, about="to a project"),
    Case(f"{RIGHTS}.invitation.list", SIGNED_IN, about="to oneself"),
    Case(f"{RIGHTS}.invitation.accept", "who is invited: the outsider", {"invitation_key": "{invitation_key}"},
         made.new_invitation),
    Case(f"{RIGHTS}.invitation.decline", "who is invited: the outsider", {"invitation_key": "{invitation_key}"},
         made.new_invitation),
    Case(f"{RIGHTS}.invitation.revoke", "project GRANT", {"invitation_key": "{invitation_key}"},
         made.new_invitation_here),
    Case(f"{RIGHTS}.member.list", "project READ", PROJECT),
    Case(f"{RIGHTS}.member.remove", "project GRANT", {**PROJECT, "account": "{nobody}"}),
    Case(f"{RIGHTS}.member.leave", "who is a member", PROJECT, made.new_member),
    Case(f"{RIGHTS}.grant.give", "device GRANT", {"account": "{bystander}", **ASSET, "flags": ["GRANT"]}),
    Case(f"{RIGHTS}.grant.take", "device GRANT", {"account": "{bystander}", **ASSET, "flags": ["UPDATE"]}),
    Case(f"{RIGHTS}.grant.list", "device GRANT", ASSET),
    Case(f"{RIGHTS}.default.set", OWNER, {**PROJECT, "kind": "board", "flags": ["READ"]}),
    Case(f"{RIGHTS}.default.unset", OWNER, {**PROJECT, "kind": "board", "flags": ["READ"]}),
    Case(f"{RIGHTS}.default.list", "project READ", PROJECT),
    Case(f"{RIGHTS}.transfer.offer", OWNER, {**PROJECT, "account": "{nobody_login}"}),
    Case(f"{RIGHTS}.transfer.accept", "to whom it is offered: the outsider", PROJECT, made.new_offer),
    Case(f"{RIGHTS}.transfer.withdraw", "who offered it, and to whom: owner and outsider", PROJECT, made.new_offer),
    Case(f"{RIGHTS}.transfer.list", OWN, sees=has("transfers", "project_key", "other")),
    Case(f"{RIGHTS}.app_transfer.offer", APP_OWNER, {**APP, "account": "{nobody_login}"}),
    Case(
        f"{RIGHTS}.app_transfer.accept", "to whom it is offered: the outsider", {"app": "{offered_app}"},
        made.new_app_offer,
    ),
    Case(
        f"{RIGHTS}.app_transfer.withdraw", "who offered it, and to whom: owner and outsider", {"app": "{offered_app}"},
        made.new_app_offer,
    ),
    Case(f"{RIGHTS}.app_transfer.list", OWN, makes=made.new_app_offer, sees=has("transfers", "app_key", "offered_app")),
    Case(
        f"{RIGHTS}.lock.create", "installation LOCK", {"kind": "person", "key": "{nobody:d}", "ends_at": PAST},
        about="of a person",
    ),
    Case(
        f"{RIGHTS}.lock.create", "device GRANT", {"kind": "device", "key": "{device:d}", "ends_at": PAST},
        about="of a device",
    ),
    Case(
        f"{RIGHTS}.lock.create", "project GRANT", {"kind": "project", "key": "{project:d}", "ends_at": PAST},
        about="of a project",
    ),
    Case(
        f"{RIGHTS}.lock.create", OWN, {"kind": "api_key", "key": "{key_id}", "ends_at": PAST},
        about="of one's own API key",
    ),
    Case(
        f"{RIGHTS}.lock.create", "installation LOCK", {"kind": "api_key", "key": "{operators_key}", "ends_at": PAST},
        about="of the first owner's API key",
    ),
    Case(
        f"{RIGHTS}.lock.list", "device GRANT", makes=made.new_lock, is_given=True,
        sees=has("locks", "lock_key", "lock_key"),
    ),
    Case(f"{RIGHTS}.lock.end", "device GRANT", {"lock_key": "{lock_key}"}, made.new_lock, is_given=True),
)  # fmt: skip

OF_PEOPLE: Final[tuple[Case, ...]] = (*_ACCOUNTS, *_THINGS, *_RIGHTS)

_AGENT: Final = "the device itself"
_ABOUT_ITSELF: Final = {"device_key": "{sender}", "swarm_key": "{project}"}
OF_DEVICES: Final[tuple[Case, ...]] = (
    Case("reswarm.devices.read_device_metadata", _AGENT, _ABOUT_ITSELF),
    Case(
        "reswarm.devices.read_device_metadata", "nobody", {**_ABOUT_ITSELF, "device_key": "{device}"},
        about="of another device",
    ),
    Case("reswarm.devices.get_app_cred_key", _AGENT),
    Case("reswarm.devices.update_device_status", _AGENT, {**_ABOUT_ITSELF, "status": "CONNECTED"}),
    Case(
        "reswarm.devices.update_device_status", "nobody",
        {**_ABOUT_ITSELF, "device_key": "{device}", "status": "CONNECTED"}, about="of another device",
    ),
    Case("reswarm.devices.update_device_architecture", _AGENT, {**_ABOUT_ITSELF, "architecture": "arm64"}),
    Case(
        "reswarm.devices.update_device_architecture", "nobody",
        {**_ABOUT_ITSELF, "device_key": "{device}", "architecture": "arm64"}, about="of another device",
    ),
    Case("reswarm.containers.get_requested_app_states", _AGENT),
    Case("reswarm.containers.update_app_on_device", _AGENT),
    Case("reswarm.containers.get_registry_token", _AGENT),
    Case(
        "reswarm.devices.check_privilege", _AGENT,
        {"privilege": "READ", "entity": "DEVICE", "entity_key": "{sender}", "requestor_account_key": "{owner}",
         "swarm_key": "{project}"},
    ),
    Case(
        "reswarm.devices.check_privilege", "nobody",
        {"privilege": "READ", "entity": "DEVICE", "entity_key": "{device}", "requestor_account_key": "{owner}",
         "swarm_key": "{project}"},
        about="of another device",
    ),
    Case("re.tunnel.expose_port", _AGENT),
    Case("reswarm.registry.run_gc", _AGENT),
)  # fmt: skip

_EVALUATION: Final = {
    "subject": {"type": "person", "id": "{bystander:d}"},
    "action": {"name": "READ"},
    "resource": {"type": "device", "id": "{device:d}"},
}


def _is_granted(_: Known, answer: Any) -> bool:
    return answer["decision"] is True


def _are_granted(_: Known, answer: Any) -> bool:
    return [each["decision"] for each in answer["evaluations"]] == [True, True]


def _is_found(_: Known, answer: Any) -> bool:
    return bool(answer["results"])


OF_AUTHZEN: Final[tuple[Case, ...]] = (
    Case("/evaluation", "device GRANT", _EVALUATION, sees=_is_granted),
    Case("/evaluations", "device GRANT", {**_EVALUATION, "evaluations": [{}, {}]}, sees=_are_granted),
    Case("/search/subject", "device GRANT", {**_EVALUATION, "subject": {"type": "person"}}, sees=_is_found),
    Case("/search/resource", "device GRANT", {**_EVALUATION, "resource": {"type": "device"}}, sees=_is_found),
    Case(
        "/search/action", "device GRANT", {name: _EVALUATION[name] for name in ("subject", "resource")}, sees=_is_found
    ),
)

PAGES: Final = (
    "/health",
    "/docs",
    "/v1/ironflock/openapi.json",
    "/.well-known/authzen-configuration",
    "/re-agent/availableVersions.json",
)
