"""THE TABLE: every URI that a session may call, register, publish or subscribe, by role and realm.

What is not here is refused. The numbers are those of wire-agent.md section 4 (the published agent's calls); "decision"
means the platform's design decisions. `trusted`, the role of Crossbar's and our own sessions inside the router, is no
role that a client can have and does not stand here.

In a URI `*` is one segment, `**` at the end one or more, `{serial}` the caller's own serial number.
"""

from typing import Final

from attrs import frozen

from ironflock_router.patterns import Pattern, parse_pattern
from ironflock_router.wire_names import (
    ADD_TESTAMENT,
    AGENT_PROCEDURES,
    CREDENTIAL_END,
    DEVICE,
    DEVICE_DUPLICATED,
    DEVICE_TESTAMENT,
    EXPOSE_PORT,
    FOLLOWED_TAKE,
    REALM1,
    REALM_END,
    SERVICES,
    SESSION_END,
    SUBSCRIPTION_MATCH,
    SYSTEM,
    TERMINAL,
    USER,
    Action,
)

# Options that every role may use. `forward_for` stands nowhere: it forges the caller's identity. `retain`, `enc_*` and
# `eligible*` stand nowhere either: nobody needs them, and each has its own way of doing harm.
BASE_OPTIONS: Final = {
    Action.CALL: frozenset({"timeout", "receive_progress"}),
    Action.PUBLISH: frozenset({"acknowledge", "exclude_me"}),
    Action.SUBSCRIBE: frozenset({"match"}),
    Action.REGISTER: frozenset({"match"}),
}
# Services say which trace a call belongs to (shared/session.py), on the realm that is theirs alone.
TRACED: Final = frozenset({"transaction_hash"})
# An agent takes its own procedures over from its own dead session (decision 9).
FORCE: Final = frozenset({"force_reregister"})
# Services scale by replicas.
SHARED: Final = frozenset({"invoke", "concurrency"})
INVOKE_POLICIES: Final = frozenset({"single", "roundrobin"})


@frozen
class Grant:
    """One line of the table; `only_as_testament` holds for publications made because the session ends."""

    role: str
    action: Action
    realm: str
    uri: str
    options: frozenset[str] = frozenset()
    only_as_testament: bool = False

    @property
    def pattern(self) -> Pattern:
        """The URIs of this line."""
        return parse_pattern(self.uri)


_PEOPLE: Final = (
    "ironflock.realms.project.create",
    "ironflock.realms.project.list",
    "ironflock.realms.project.show",
    "ironflock.realms.project.require_factor",
    "ironflock.realms.project.require_same_address",
    "ironflock.realms.project.set_legacy_mode",
    "ironflock.realms.app.create",
    "ironflock.realms.app.list",
    "ironflock.realms.app.show",
    "ironflock.realms.app.rename",
    "ironflock.realms.app.publish",
    "ironflock.realms.app.delete",
    "ironflock.realms.release.create",
    "ironflock.realms.release.list",
    "ironflock.realms.release.show",
    "ironflock.realms.install.create",
    "ironflock.realms.install.list",
    "ironflock.realms.install.delete",
    "ironflock.realms.access.list",
    "ironflock.realms.access.grant",
    "ironflock.realms.access.revoke",
    "ironflock.realms.realm.list",
    "ironflock.realms.backend.rotate",
    "ironflock.realms.backend.retention",
    "ironflock.realms.backend.set_retention",
    "ironflock.realms.backend.drop",
    "ironflock.realms.board.create",
    "ironflock.realms.board.list",
    "ironflock.realms.board.show",
    "ironflock.realms.board.update",
    "ironflock.realms.board.delete",
    "ironflock.realms.board.open",
    "ironflock.realms.cell.add",
    "ironflock.realms.cell.list",
    "ironflock.realms.cell.update",
    "ironflock.realms.cluster.add",
    "ironflock.realms.cluster.forget",
    "ironflock.realms.cluster.list",
    "ironflock.realms.cluster.update",
    "ironflock.realms.move.create",
    "ironflock.realms.move.list",
    "ironflock.realms.move.abandon",
    "ironflock.fleetdb.backend.export",
    "ironflock.devices.device.create",
    "ironflock.devices.device.list",
    "ironflock.devices.device.show",
    "ironflock.devices.device.flash",
    "ironflock.devices.device.delete",
    "ironflock.devices.device.rename",
    "ironflock.devices.device.watch",
    "ironflock.devices.device.set_claimable",
    "ironflock.devices.device.claim",
    "ironflock.devices.device.move",
    "ironflock.devices.device.tag",
    "ironflock.devices.device.decommission",
    "ironflock.devices.decommission.list",
    "ironflock.devices.device.exec",
    "ironflock.devices.device.reboot",
    "ironflock.devices.device.shutdown",
    "ironflock.devices.device.restart_agent",
    "ironflock.devices.device.update_agent",
    "ironflock.devices.device.download_os_update",
    "ironflock.devices.device.install_os_update",
    "ironflock.devices.device.agent_metadata",
    "ironflock.devices.device.os_release",
    "ironflock.devices.device.storage",
    "ironflock.devices.device.handshake",
    "ironflock.devices.device.tunnel_state",
    "ironflock.devices.device.containers",
    "ironflock.devices.device.images",
    "ironflock.devices.device.prune_images",
    "ironflock.devices.device.addresses",
    "ironflock.devices.device.networks",
    "ironflock.devices.device.interfaces",
    "ironflock.devices.device.set_address",
    "ironflock.devices.device.wifi_networks",
    "ironflock.devices.device.scan_wifi",
    "ironflock.devices.device.add_wifi",
    "ironflock.devices.device.remove_wifi",
    "ironflock.devices.device.select_wifi",
    "ironflock.devices.device.restart_wifi",
    "ironflock.devices.device.logs",
    "ironflock.devices.device.app_logs",
    "ironflock.devices.device.app_log_history",
    "ironflock.devices.device.follow_logs",
    "ironflock.devices.device.follow_progress",
    "ironflock.devices.device.terminal",
    "ironflock.devices.device.terminal_write",
    "ironflock.devices.device.terminal_resize",
    "ironflock.devices.device.terminal_close",
    "ironflock.devices.group.create",
    "ironflock.devices.group.list",
    "ironflock.devices.group.show",
    "ironflock.devices.group.rename",
    "ironflock.devices.group.delete",
    "ironflock.devices.group.add_device",
    "ironflock.devices.group.remove_device",
    "ironflock.devices.group_app.set",
    "ironflock.devices.group_app.unset",
    "ironflock.devices.group_app.list",
    "ironflock.devices.app.install",
    "ironflock.devices.app.uninstall",
    "ironflock.devices.app.list",
    "ironflock.devices.app.rotate_credential",
    "ironflock.devices.app.environment",
    "ironflock.devices.app.status",
    "ironflock.devices.app.start",
    "ironflock.devices.app.stop",
    "ironflock.devices.app.remove",
    "ironflock.devices.app.upgrade",
    "ironflock.devices.app.rollback",
    "ironflock.devices.app.cancel",
    "ironflock.devices.app.confirm",
    "ironflock.devices.app.variables",
    "ironflock.devices.app.set_environment",
    "ironflock.devices.app.set_ports",
    "ironflock.devices.rollout.plan",
    "ironflock.devices.rollout.start",
    "ironflock.devices.rollout.list",
    "ironflock.devices.rollout.show",
    "ironflock.devices.rollout.watch",
    "ironflock.devices.rollout.pause",
    "ironflock.devices.rollout.resume",
    "ironflock.devices.rollout.abort",
    "ironflock.devices.install.confirm",
    "ironflock.devices.alert.list",
    "ironflock.devices.alert.acknowledge",
    "ironflock.devices.alert.watch",
    "ironflock.devices.alert_rule.list",
    "ironflock.devices.alert_rule.set",
    "ironflock.devices.alert_channel.create",
    "ironflock.devices.alert_channel.list",
    "ironflock.devices.alert_channel.delete",
    "ironflock.devices.alert_channel.test",
    "ironflock.tunnels.tunnel.declare",
    "ironflock.tunnels.tunnel.list",
    "ironflock.tunnels.tunnel.withdraw",
    "ironflock.tunnels.tunnel.publish",
    "ironflock.tunnels.tunnel.unpublish",
    "ironflock.tunnels.tunnel.close",
    "ironflock.tunnels.ticket.issue",
    "ironflock.tunnels.visit.list",
    "ironflock.tunnels.recording.choose",
    "ironflock.tunnels.recording.list",
    "ironflock.tunnels.recording.fetch",
    "ironflock.auth.account.me",
    "ironflock.auth.account.erase",
    "ironflock.auth.account.rename",
    "ironflock.auth.account.export",
    "ironflock.auth.account.invite",
    "ironflock.auth.account.setup_link",
    "ironflock.auth.account.disable",
    "ironflock.auth.account.enable",
    "ironflock.auth.invitation.list",
    "ironflock.auth.invitation.revoke",
    "ironflock.auth.api_key.create",
    "ironflock.auth.api_key.list",
    "ironflock.auth.api_key.rotate",
    "ironflock.auth.api_key.end",
    "ironflock.auth.service_account.create",
    "ironflock.auth.service_account.list",
    "ironflock.auth.service_account.end",
    "ironflock.auth.client.register",
    "ironflock.auth.client.list",
    "ironflock.auth.client.end",
    "ironflock.auth.consent.list",
    "ironflock.auth.consent.revoke",
    "ironflock.auth.session.list",
    "ironflock.auth.session.end",
    "ironflock.auth.session.end_all",
    "ironflock.auth.factor.list",
    "ironflock.auth.totp.remove",
    "ironflock.auth.recovery_codes.renew",
    "ironflock.auth.passkey.rename",
    "ironflock.auth.passkey.remove",
    "ironflock.audit.entry.list",
    "ironflock.audit.entry.show",
    "ironflock.audit.entry.tail",
    "ironflock.audit.entry.proof",
    "ironflock.audit.entry.export",
    "ironflock.audit.head.show",
    "ironflock.audit.head.consistency",
    "ironflock.audit.retention.set",
    "ironflock.audit.retention.show",
    "ironflock.privileges.flag.list",
    "ironflock.privileges.flag.check",
    "ironflock.privileges.flag.check_many",
    "ironflock.privileges.flag.explain",
    "ironflock.privileges.asset.list",
    "ironflock.privileges.person.list",
    "ironflock.privileges.change.list",
    "ironflock.privileges.invitation.create",
    "ironflock.privileges.invitation.list",
    "ironflock.privileges.invitation.accept",
    "ironflock.privileges.invitation.decline",
    "ironflock.privileges.invitation.revoke",
    "ironflock.privileges.member.list",
    "ironflock.privileges.member.remove",
    "ironflock.privileges.member.leave",
    "ironflock.privileges.grant.give",
    "ironflock.privileges.grant.take",
    "ironflock.privileges.grant.list",
    "ironflock.privileges.default.set",
    "ironflock.privileges.default.unset",
    "ironflock.privileges.default.list",
    "ironflock.privileges.transfer.offer",
    "ironflock.privileges.transfer.accept",
    "ironflock.privileges.transfer.withdraw",
    "ironflock.privileges.transfer.list",
    "ironflock.privileges.app_transfer.offer",
    "ironflock.privileges.app_transfer.accept",
    "ironflock.privileges.app_transfer.withdraw",
    "ironflock.privileges.app_transfer.list",
    "ironflock.privileges.lock.create",
    "ironflock.privileges.lock.list",
    "ironflock.privileges.lock.end",
)

_DECISION_POINTS: Final = ("auth", "realms", "devices", "audit", "fleetdb", "tunnels")

_DEVICES: Final = (
    Grant(DEVICE, Action.CALL, REALM1, ADD_TESTAMENT),  # 1
    *(Grant(DEVICE, Action.CALL, REALM1, uri) for uri in AGENT_PROCEDURES),  # 2-10, 12
    Grant(DEVICE, Action.CALL, REALM1, SUBSCRIPTION_MATCH),  # 11, answered for the own serial only (decision 10)
    Grant(DEVICE, Action.REGISTER, REALM1, "re.mgmt.{serial}.**", FORCE),  # section 3
    Grant(DEVICE, Action.PUBLISH, REALM1, "re.mgmt.{serial}.**"),  # section 5
    Grant(DEVICE, Action.PUBLISH, REALM1, "reswarm.logs.{serial}.**"),  # section 5
    Grant(DEVICE, Action.PUBLISH, REALM1, DEVICE_TESTAMENT, only_as_testament=True),  # section 5, decision 8
    Grant(DEVICE, Action.SUBSCRIBE, REALM1, "re.mgmt.{serial}.term_write.**"),  # section 3
    Grant(DEVICE, Action.SUBSCRIBE, REALM1, "wamp.subscription.on_create"),  # section 5, filtered (decision 10)
    Grant(DEVICE, Action.SUBSCRIBE, REALM1, "wamp.subscription.on_delete"),  # section 5, filtered (decision 10)
    Grant(DEVICE, Action.SUBSCRIBE, REALM1, "wamp.registration.on_unregister"),  # section 5, filtered (decision 10)
)

_USERS: Final = tuple(Grant(USER, Action.CALL, REALM1, uri) for uri in _PEOPLE)

# The service that calls agents, once for each person who has a terminal: an agent has a shell for each who calls it.
_TERMINALS: Final = (
    Grant(TERMINAL, Action.CALL, REALM1, "re.mgmt.*.init_device_terminal"),
    Grant(TERMINAL, Action.CALL, REALM1, "re.mgmt.*.request_terminal_session"),
    Grant(TERMINAL, Action.CALL, REALM1, "re.mgmt.*.start_terminal_session"),
    Grant(TERMINAL, Action.CALL, REALM1, "re.mgmt.*.stop_terminal_session"),
    Grant(TERMINAL, Action.CALL, REALM1, "re.mgmt.*.term_resize.**"),  # a container's name may have dots
    Grant(TERMINAL, Action.PUBLISH, REALM1, "re.mgmt.*.term_write.**"),
    Grant(TERMINAL, Action.SUBSCRIBE, REALM1, "re.mgmt.*.data.*"),
    Grant(TERMINAL, Action.SUBSCRIBE, REALM1, "re.mgmt.*.term_data.**"),
    Grant(
        TERMINAL, Action.REGISTER, REALM1, "ironflock.devices.terminal_alive.*.*"
    ),  # what a container's shell lives from
)

_SERVICES_OWN: Final = tuple(
    Grant(f"svc_{name}", Action.REGISTER, realm, f"ironflock.{name}.**", SHARED)
    for name in SERVICES
    for realm in (REALM1, SYSTEM)
)

_SERVICES_CONTROL: Final = (
    *(Grant("svc_devices", Action.REGISTER, REALM1, uri, SHARED) for uri in AGENT_PROCEDURES if uri != EXPOSE_PORT),
    Grant("svc_tunnels", Action.REGISTER, REALM1, EXPOSE_PORT, SHARED),
    Grant("svc_devices", Action.CALL, REALM1, "re.mgmt.**"),  # issue 9: what the agents can do
    # What apps print, while somebody follows who may; an app's name may have dots.
    Grant("svc_devices", Action.SUBSCRIBE, REALM1, "reswarm.logs.**"),
    # How far updates are, while somebody follows who may.
    Grant("svc_devices", Action.SUBSCRIBE, REALM1, "re.mgmt.*.agent_update_progress"),
    Grant("svc_devices", Action.SUBSCRIBE, REALM1, "re.mgmt.*.download_os_update_progress"),
    Grant("svc_devices", Action.SUBSCRIBE, REALM1, "re.mgmt.*.install_os_update_progress"),
    # By which credential a person is there: the audit log names it.
    *(Grant(f"svc_{name}", Action.CALL, REALM1, "wamp.session.get") for name in SERVICES if name != "gateway"),
    # Presence: who is there, who comes and goes; and ending sessions whose device was flashed again or deleted.
    Grant("svc_devices", Action.CALL, REALM1, "wamp.session.list"),
    Grant("svc_devices", Action.CALL, REALM1, "wamp.session.kill"),
    Grant("svc_devices", Action.CALL, REALM1, "wamp.session.kill_by_authid"),
    Grant("svc_devices", Action.SUBSCRIBE, REALM1, "wamp.session.on_join"),
    Grant("svc_devices", Action.SUBSCRIBE, REALM1, "wamp.session.on_leave"),
    Grant("svc_devices", Action.SUBSCRIBE, REALM1, DEVICE_TESTAMENT),
    # Ending every session of an account that was erased.
    Grant("svc_auth", Action.CALL, REALM1, "wamp.session.kill_by_authid"),
)

_SERVICES_SYSTEM: Final = (
    # `device_credential.find` and `app_credential.find` are for the router itself (decision 6): no line names them.
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.auth.device_credential.issue"),
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.auth.device_credential.end"),
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.auth.device_credential.move"),
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.auth.app_cred_key.find"),
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.auth.account.find"),
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.auth.registry_token.issue"),
    # Apps on devices: their credentials, what projects have, what ends with them; what auth decides their joins by.
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.auth.app_credential.derive"),
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.auth.app_credential.rotate"),
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.realms.install.find"),
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.realms.release.find"),
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.realms.release.contents"),
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.tunnels.tunnel.settle"),
    Grant("svc_devices", Action.SUBSCRIBE, SYSTEM, "ironflock.realms.install.changed"),
    Grant("svc_devices", Action.CALL, SYSTEM, SESSION_END),
    Grant("svc_auth", Action.CALL, SYSTEM, "ironflock.devices.app.installed"),
    Grant("svc_auth", Action.CALL, SYSTEM, "ironflock.realms.app.standing"),
    # Where the tables of apps are, and the logins that open them.
    Grant("svc_fleetdb", Action.CALL, SYSTEM, "ironflock.realms.backend.list"),
    Grant("svc_fleetdb", Action.CALL, SYSTEM, "ironflock.realms.backend.find"),
    Grant("svc_fleetdb", Action.CALL, SYSTEM, "ironflock.realms.backend.certify"),
    Grant("svc_fleetdb", Action.CALL, SYSTEM, "ironflock.realms.backend.settled"),
    Grant("svc_fleetdb", Action.CALL, SYSTEM, "ironflock.realms.backend.retained"),
    Grant("svc_fleetdb", Action.CALL, SYSTEM, "ironflock.realms.move.due"),
    Grant("svc_fleetdb", Action.CALL, SYSTEM, "ironflock.realms.move.switch"),
    Grant("svc_fleetdb", Action.CALL, SYSTEM, "ironflock.realms.move.give_up"),
    Grant("svc_fleetdb", Action.SUBSCRIBE, SYSTEM, "ironflock.realms.backend.changed"),
    # A device that is out of service: what it wrote goes, where that is wished.
    Grant("svc_fleetdb", Action.CALL, SYSTEM, "ironflock.realms.backend.of_project"),
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.fleetdb.device.erase"),
    # Direct SQL: whose key it is that somebody shows as a password, whether the project lets them in, their login.
    Grant("svc_fleetdb", Action.CALL, SYSTEM, "ironflock.auth.ticket.verify"),
    Grant("svc_fleetdb", Action.CALL, SYSTEM, "ironflock.realms.project.resolve"),
    Grant("svc_fleetdb", Action.CALL, SYSTEM, "ironflock.realms.backend.admit"),
    # What live followers were sent: the audit log has it from fleetdb.
    Grant("svc_fleetdb", Action.CALL, SYSTEM, FOLLOWED_TAKE),
    # Tunnels: whose proof a device shows, who and what it is and whether it is there; who visits, and what they may.
    Grant("svc_tunnels", Action.CALL, SYSTEM, "ironflock.auth.device_credential.find_by_proof"),
    Grant("svc_tunnels", Action.CALL, SYSTEM, "ironflock.auth.ticket.verify"),
    Grant("svc_tunnels", Action.CALL, SYSTEM, "ironflock.auth.credential.standing"),
    Grant("svc_tunnels", Action.CALL, SYSTEM, "ironflock.auth.personal.seal"),
    Grant("svc_tunnels", Action.CALL, SYSTEM, "ironflock.devices.device.reach"),
    Grant("svc_tunnels", Action.CALL, SYSTEM, "ironflock.devices.device.visible"),
    Grant("svc_tunnels", Action.CALL, SYSTEM, "ironflock.devices.device.standing"),
    Grant("svc_tunnels", Action.CALL, SYSTEM, "ironflock.realms.project.resolve"),
    Grant("svc_tunnels", Action.CALL, SYSTEM, "ironflock.realms.project.reachable"),
    Grant("svc_tunnels", Action.CALL, SYSTEM, "ironflock.realms.project.tunnel_rules"),
    Grant("svc_tunnels", Action.CALL, SYSTEM, "ironflock.realms.project.cell"),
    Grant("svc_tunnels", Action.SUBSCRIBE, SYSTEM, "ironflock.devices.device.changed"),
    # Boards join data realms by ticket, and leave them when their people may not any more; the router takes tickets.
    Grant("svc_realms", Action.CALL, SYSTEM, "ironflock.auth.board_ticket.issue"),
    Grant("svc_realms", Action.CALL, SYSTEM, "ironflock.auth.board_ticket.end"),
    # What a project can require of its members.
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.auth.account.has_factor"),
    Grant("svc_realms", Action.CALL, SYSTEM, "ironflock.auth.account.has_factor"),
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.realms.project.resolve"),
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.realms.project.reachable"),
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.realms.project.cell"),
    # Who may read which entries; personal values are auth's to open.
    Grant("svc_auth", Action.CALL, SYSTEM, "ironflock.realms.project.cell"),
    Grant("svc_audit", Action.CALL, SYSTEM, "ironflock.realms.project.resolve"),
    Grant("svc_audit", Action.CALL, SYSTEM, "ironflock.realms.project.reachable"),
    Grant("svc_audit", Action.CALL, SYSTEM, "ironflock.auth.personal.open"),
    # The names of erased owners must go.
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.auth.account.find_erased"),
    Grant("svc_devices", Action.SUBSCRIBE, SYSTEM, "ironflock.auth.account.erased"),
    # Keys and sessions that ended before their date take what they opened with them.
    Grant("svc_auth", Action.CALL, SYSTEM, CREDENTIAL_END),
    # An app that is uninstalled from a project takes its realm with it; from a device, or a credential, its sessions.
    Grant("svc_realms", Action.CALL, SYSTEM, REALM_END),
    # Who holds what, the locks, and every change of them.
    *(Grant(f"svc_{name}", Action.CALL, SYSTEM, "ironflock.privileges.holdings.find") for name in _DECISION_POINTS),
    *(Grant(f"svc_{name}", Action.CALL, SYSTEM, "ironflock.privileges.lock.standing") for name in _DECISION_POINTS),
    *(Grant(f"svc_{name}", Action.SUBSCRIBE, SYSTEM, "ironflock.privileges.changed") for name in _DECISION_POINTS),
    # What there is to have rights on, told by whoever has it.
    Grant("svc_realms", Action.CALL, SYSTEM, "ironflock.privileges.domain.put"),
    Grant("svc_realms", Action.CALL, SYSTEM, "ironflock.privileges.domain.forget"),
    Grant("svc_realms", Action.CALL, SYSTEM, "ironflock.privileges.asset.put"),
    Grant("svc_realms", Action.CALL, SYSTEM, "ironflock.privileges.asset.forget"),
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.privileges.asset.put"),
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.privileges.asset.forget"),
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.privileges.group.missing"),
    Grant("svc_auth", Action.CALL, SYSTEM, "ironflock.privileges.domain.owned"),
    # Whose the login names and account keys are, who is erased, who has just shown who they are.
    Grant("svc_privileges", Action.CALL, SYSTEM, "ironflock.auth.account.resolve"),
    Grant("svc_privileges", Action.CALL, SYSTEM, "ironflock.auth.account.find_erased"),
    Grant("svc_privileges", Action.CALL, SYSTEM, "ironflock.auth.account.first_owner"),
    Grant("svc_privileges", Action.CALL, SYSTEM, "ironflock.auth.session.require_fresh"),
    Grant("svc_privileges", Action.CALL, SYSTEM, "ironflock.auth.api_key.owner"),
    Grant("svc_privileges", Action.SUBSCRIBE, SYSTEM, "ironflock.auth.account.erased"),
    Grant("svc_privileges", Action.CALL, SYSTEM, "ironflock.realms.project.set_owner"),
    Grant("svc_privileges", Action.CALL, SYSTEM, "ironflock.realms.app.set_owner"),
    Grant("svc_devices", Action.SUBSCRIBE, SYSTEM, DEVICE_DUPLICATED),
    Grant("svc_devices", Action.SUBSCRIBE, SYSTEM, "ironflock.devices.device.changed"),
    Grant("svc_devices", Action.SUBSCRIBE, SYSTEM, "ironflock.devices.alert.changed"),
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.auth.alert.mail"),
    # What is typed into a terminal that another process of devices has.
    Grant("svc_devices", Action.CALL, SYSTEM, "ironflock.devices.replica.*.terminal"),
    *(Grant(f"svc_{name}", Action.PUBLISH, SYSTEM, f"ironflock.{name}.**") for name in SERVICES),
    Grant("svc_gateway", Action.CALL, SYSTEM, "ironflock.auth.assertion.issue"),
    *(Grant("svc_gateway", Action.CALL, SYSTEM, uri) for uri in _PEOPLE),
    *(Grant(f"svc_{name}", Action.CALL, SYSTEM, "ironflock.auth.assertion.keys") for name in SERVICES),
)

TABLE: Final[tuple[Grant, ...]] = (
    *_DEVICES,
    *_USERS,
    *_TERMINALS,
    *_SERVICES_OWN,
    *_SERVICES_CONTROL,
    *_SERVICES_SYSTEM,
)
