"""Recording an audit entry in the caller's own transaction (decisions 23 to 25).

`audit.record(...)` is a SECURITY DEFINER function that every service login may execute and none can look behind: it
sets time and service itself, allows each service its own tags, and puts the entry into a queue from which `audit`
builds its log. `canonical_entry` is the one encoding of an entry; its octets are pinned by test vectors.
"""

import base64
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from attrs import field, frozen
from psycopg.types.json import Jsonb

from shared.canonical import canonical_json
from shared.database import Connection
from shared.identities import Caller, DeviceIdentity, Person
from shared.moments import rfc3339

ENTRY_VERSION: Final = 1


class Action(StrEnum):
    """Every tag of the log, past tense; one that goes out of use stays here and is never given another meaning."""

    ACCOUNT_ADDRESS_CHANGED = "account.address_changed"
    ACCOUNT_CREATED = "account.created"
    ACCOUNT_DISABLED = "account.disabled"
    ACCOUNT_ENABLED = "account.enabled"
    ACCOUNT_ERASED = "account.erased"
    ACCOUNT_EXPORTED = "account.exported"
    ACCOUNT_INVITED = "account.invited"
    ACCOUNT_RENAMED = "account.renamed"
    ACCOUNT_VERIFIED = "account.verified"
    ALERT_ACKNOWLEDGED = "alert.acknowledged"
    ALERT_CHANNEL_CREATED = "alert_channel.created"
    ALERT_CHANNEL_DELETED = "alert_channel.deleted"
    ALERT_CHANNEL_TESTED = "alert_channel.tested"
    ALERT_RULE_SET = "alert_rule.set"
    API_KEY_CREATED = "api_key.created"
    API_KEY_ENDED = "api_key.ended"
    API_KEY_ROTATED = "api_key.rotated"
    APP_ACCESS_GRANTED = "app_access.granted"
    APP_ACCESS_REQUESTED = "app_access.requested"
    APP_ACCESS_REVOKED = "app_access.revoked"
    APP_CREATED = "app.created"
    APP_CREDENTIAL_ROTATED = "app_credential.rotated"
    APP_DELETED = "app.deleted"
    APP_ENVIRONMENT_READ = "app_environment.read"
    APP_INSTALLED = "app.installed"
    APP_PUBLISHED = "app.published"
    APP_RELEASE_CHANGED = "app.release_changed"
    APP_RELEASE_CREATED = "app_release.created"
    APP_RENAMED = "app.renamed"
    APP_UNINSTALLED = "app.uninstalled"
    APP_UNPUBLISHED = "app.unpublished"
    AUDIT_LOG_EXPORTED = "audit_log.exported"
    AUDIT_LOG_READ = "audit_log.read"
    AUDIT_RETENTION_SET = "audit_retention.set"
    BACKEND_CLOSED = "backend.closed"
    BACKEND_DROPPED = "backend.dropped"
    BACKEND_DROP_ASKED = "backend.drop_asked"
    BACKEND_LOST = "backend.lost"
    BACKEND_PLACED = "backend.placed"
    BACKEND_PROVISIONED = "backend.provisioned"
    BACKEND_RETENTION_CHANGED = "backend.retention_changed"
    BACKEND_ROTATED = "backend.rotated"
    BACKEND_ROTATION_ASKED = "backend.rotation_asked"
    BACKEND_VACATED = "backend.vacated"
    BOARD_CHANGED = "board.changed"
    BOARD_CLOSED = "board.closed"
    BOARD_CREATED = "board.created"
    BOARD_DELETED = "board.deleted"
    BOARD_OPENED = "board.opened"
    CELL_ADDED = "cell.added"
    CELL_CHANGED = "cell.changed"
    CLIENT_CHANGED = "client.changed"
    CLIENT_ENDED = "client.ended"
    CLIENT_REGISTERED = "client.registered"
    CLUSTER_ADDED = "cluster.added"
    CLUSTER_CHANGED = "cluster.changed"
    CLUSTER_FORGOTTEN = "cluster.forgotten"
    CONSENT_GRANTED = "consent.granted"
    CONSENT_REVOKED = "consent.revoked"
    DATA_EXPORTED = "data.exported"
    DATA_IMPERSONATED = "data.impersonated"
    DATA_READ = "data.read"
    DEVICE_APPS_CONFIRMED = "device_apps.confirmed"
    DEVICE_APP_ENVIRONMENT_CHANGED = "device_app.environment_changed"
    DEVICE_APP_INSTALLED = "device_app.installed"
    DEVICE_APP_PORTS_CHANGED = "device_app.ports_changed"
    DEVICE_APP_RELEASE_CHANGED = "device_app.release_changed"
    DEVICE_APP_TARGET_CHANGED = "device_app.target_changed"
    DEVICE_APP_UNINSTALLED = "device_app.uninstalled"
    DEVICE_ARCHITECTURE_CHANGED = "device.architecture_changed"
    DEVICE_CLAIMABLE_SET = "device.claimable_set"
    DEVICE_CLAIMED = "device.claimed"
    DEVICE_CODE_APPROVED = "device_code.approved"
    DEVICE_CODE_REFUSED = "device_code.refused"
    DEVICE_CREATED = "device.created"
    DEVICE_CREDENTIAL_ENDED = "device_credential.ended"
    DEVICE_CREDENTIAL_ISSUED = "device_credential.issued"
    DEVICE_CREDENTIAL_MOVED = "device_credential.moved"
    DEVICE_DATA_DELETED = "device_data.deleted"
    DEVICE_DECOMMISSIONED = "device.decommissioned"
    DEVICE_DELETED = "device.deleted"
    DEVICE_DUPLICATED = "device.duplicated"
    DEVICE_FLASHED = "device.flashed"
    DEVICE_GROUP_APP_ASSIGNED = "device_group.app_assigned"
    DEVICE_GROUP_APP_UNASSIGNED = "device_group.app_unassigned"
    DEVICE_GROUP_CREATED = "device_group.created"
    DEVICE_GROUP_DELETED = "device_group.deleted"
    DEVICE_GROUP_DEVICE_ADDED = "device_group.device_added"
    DEVICE_GROUP_DEVICE_REMOVED = "device_group.device_removed"
    DEVICE_GROUP_RENAMED = "device_group.renamed"
    DEVICE_IMPERSONATED = "device.impersonated"
    DEVICE_LOGS_READ = "device_logs.read"
    DEVICE_MOVED = "device.moved"
    DEVICE_OPERATED = "device.operated"
    DEVICE_RENAMED = "device.renamed"
    DEVICE_TAGGED = "device.tagged"
    DEVICE_TERMINAL_USED = "device_terminal.used"
    FLAG_DEFAULT_SET = "flag.default_set"
    FLAG_DEFAULT_UNSET = "flag.default_unset"
    FLAG_GIVEN = "flag.given"
    FLAG_TAKEN = "flag.taken"
    INVITATION_REVOKED = "invitation.revoked"
    LOCK_CREATED = "lock.created"
    LOCK_ENDED = "lock.ended"
    MEMBERSHIP_ACCEPTED = "membership.accepted"
    MEMBERSHIP_DECLINED = "membership.declined"
    MEMBERSHIP_INVITED = "membership.invited"
    MEMBERSHIP_LEFT = "membership.left"
    MEMBERSHIP_REMOVED = "membership.removed"
    MEMBERSHIP_WITHDRAWN = "membership.withdrawn"
    OWNERSHIP_OFFERED = "ownership.offered"
    OWNERSHIP_TRANSFERRED = "ownership.transferred"
    OWNERSHIP_WITHDRAWN = "ownership.withdrawn"
    PASSKEY_ADDED = "passkey.added"
    PASSKEY_REMOVED = "passkey.removed"
    PASSKEY_RENAMED = "passkey.renamed"
    PASSWORD_CHANGED = "password.changed"
    PASSWORD_RESET = "password.reset"
    PROJECT_CREATED = "project.created"
    PROJECT_FACTOR_REQUIREMENT_CHANGED = "project.factor_requirement_changed"
    PROJECT_LEGACY_MODE_CHANGED = "project.legacy_mode_changed"
    PROJECT_MOVED = "project.moved"
    PROJECT_MOVE_ABANDONED = "project.move_abandoned"
    PROJECT_MOVE_ASKED = "project.move_asked"
    PROJECT_SAME_ADDRESS_REQUIREMENT_CHANGED = "project.same_address_requirement_changed"
    RECOVERY_CODES_RENEWED = "recovery_codes.renewed"
    RECOVERY_CODE_USED = "recovery_code.used"
    REFRESH_TOKEN_REPLAYED = "refresh_token.replayed"
    RIGHTS_ERASED = "rights.erased"
    ROLLOUT_ABORTED = "rollout.aborted"
    ROLLOUT_ENDED = "rollout.ended"
    ROLLOUT_PAUSED = "rollout.paused"
    ROLLOUT_RESUMED = "rollout.resumed"
    ROLLOUT_STARTED = "rollout.started"
    ROLLOUT_STOPPED = "rollout.stopped"
    SERVICE_ACCOUNT_CREATED = "service_account.created"
    SERVICE_ACCOUNT_ENDED = "service_account.ended"
    SESSION_ENDED = "session.ended"
    SESSION_REAUTHENTICATED = "session.reauthenticated"
    SESSION_STARTED = "session.started"
    SIGNING_KEY_CREATED = "signing_key.created"
    SIGN_IN_REFUSED = "sign_in.refused"
    TOKEN_FAMILY_ENDED = "token_family.ended"
    SQL_ASKED = "sql.asked"
    SQL_CLOSED = "sql.closed"
    SQL_OPENED = "sql.opened"
    TOKEN_REFUSED = "token.refused"
    TOTP_ENROLLED = "totp.enrolled"
    TOTP_REMOVED = "totp.removed"
    TUNNEL_CLOSED = "tunnel.closed"
    TUNNEL_DECLARED = "tunnel.declared"
    TUNNEL_IMPERSONATED = "tunnel.impersonated"
    TUNNEL_PORT_ALLOTTED = "tunnel.port_allotted"
    TUNNEL_PUBLISHED = "tunnel.published"
    TUNNEL_RECORDING_CHOSEN = "tunnel_recording.chosen"
    TUNNEL_RECORDING_FETCHED = "tunnel_recording.fetched"
    TUNNEL_TICKET_ISSUED = "tunnel_ticket.issued"
    TUNNEL_UNPUBLISHED = "tunnel.unpublished"
    TUNNEL_VISIT_BEGUN = "tunnel_visit.begun"
    TUNNEL_VISIT_ENDED = "tunnel_visit.ended"
    TUNNEL_WITHDRAWN = "tunnel.withdrawn"
    UPSTREAM_LINKED = "upstream.linked"
    UPSTREAM_UNLINKED = "upstream.unlinked"


class Aspect(StrEnum):
    """What of an asset a change touches; people filter by it (platform-docs section 4)."""

    ACCESS = "access"
    ADDRESS = "address"
    ARCHITECTURE = "architecture"
    CONSENT = "consent"
    CREDENTIAL = "credential"
    EXISTENCE = "existence"
    FACTOR = "factor"
    IDENTITY = "identity"
    NAME = "name"
    READING = "reading"
    RETENTION = "retention"
    STATE = "state"


class Outcome(StrEnum):
    """How it ended; `intended` opens what no transaction can hold, and is closed by another (decision 25)."""

    DONE = "done"
    REFUSED = "refused"
    INTENDED = "intended"
    FAILED = "failed"


class ActorKind(StrEnum):
    """Whose act it was."""

    DEVICE = "device"
    OPERATOR = "operator"
    PERSON = "person"
    SERVICE = "service"


@frozen
class Actor:
    """Who acted: the key of a person or device, the name of a service; `credential` is the id of an API key."""

    kind: ActorKind
    key: int | str
    credential: str | None = None
    on_behalf_of: int | None = None


@frozen
class Asset:
    """What was acted upon."""

    kind: str
    key: int | str


@frozen
class Personal:
    """A personal value, sealed under the key of the person it tells of: erasing that key erases the value."""

    account_key: int
    sealed: bytes = field(repr=False)

    def value(self) -> dict[str, Any]:
        """Its place in an entry."""
        return {"personal": {"account_key": self.account_key, "sealed": base64.b64encode(self.sealed).decode()}}


@frozen
class Draft:
    """What a service says about a change; `before` and `after` hold the changed fields only."""

    action: Action
    aspect: Aspect
    actor: Actor
    asset: Asset
    project_key: int | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    reason: str | None = None
    session: int | None = None
    address: Personal | None = None
    request_id: str | None = None
    outcome: Outcome = Outcome.DONE


@frozen
class Entry:
    """An entry as the log has it: a draft with what the database added."""

    entry_id: int
    recorded_at: datetime
    service: str
    draft: Draft


def actor_of(caller: Caller) -> Actor:
    """The actor that a caller of a procedure is."""
    if isinstance(caller, Person):
        return Actor(ActorKind.PERSON, caller.account_key, credential=caller.credential)
    if isinstance(caller, DeviceIdentity):
        return Actor(ActorKind.DEVICE, caller.device_key)
    return Actor(ActorKind.SERVICE, caller.name)


async def record(connection: Connection, draft: Draft) -> None:
    """Put `draft` into the log's queue, in the transaction of `connection`.

    Raises:
        psycopg.Error: The service may not use this tag, or the log cannot take entries: the change must not happen. In
            a pipeline it comes out at the end of the transaction, at the latest.
    """
    values = _fields(draft)
    await connection.execute(
        "SELECT audit.record(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            values["action"],
            values["aspect"],
            Jsonb(values["actor"]),
            Jsonb(values["asset"]),
            values["project"],
            _json(values["before"]),
            _json(values["after"]),
            values["reason"],
            Jsonb(values["source"]),
            values["outcome"],
        ],
    )


def canonical_entry(entry: Entry) -> bytes:
    """The octets that a leaf commits to: canonical JSON (RFC 8785), every field present, null where there is none."""
    time = rfc3339(entry.recorded_at)
    head: dict[str, Any] = {"v": ENTRY_VERSION, "id": entry.entry_id, "time": time, "service": entry.service}
    return canonical_json({**head, **_fields(entry.draft)})


def _fields(draft: Draft) -> dict[str, Any]:
    return {
        "action": draft.action.value,
        "aspect": draft.aspect.value,
        "actor": {
            "kind": draft.actor.kind.value,
            "key": draft.actor.key,
            "credential": draft.actor.credential,
            "on_behalf_of": draft.actor.on_behalf_of,
        },
        "asset": {"kind": draft.asset.kind, "key": draft.asset.key},
        "project": draft.project_key,
        "before": draft.before,
        "after": draft.after,
        "reason": draft.reason,
        "source": {
            "session": draft.session,
            "address": draft.address.value() if draft.address else None,
            "request": draft.request_id,
        },
        "outcome": draft.outcome.value,
    }


def _json(value: dict[str, Any] | None) -> Jsonb | None:
    return None if value is None else Jsonb(value)
