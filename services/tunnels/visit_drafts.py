"""What visits leave in the audit log: each entry is about the device; who came without an account is nobody's act."""

from typing import Any, Final

from services.tunnels.records.visits import Cause, Tally, Visit
from shared import audit

OURSELVES: Final = audit.Actor(audit.ActorKind.SERVICE, "tunnels")


def begun_draft(visit: Visit, address: audit.Personal | None) -> audit.Draft:
    """Somebody is about to come; `address` is where from."""
    return _draft(audit.Action.TUNNEL_VISIT_BEGUN, visit, {}, address)


def ended_draft(visit: Visit, cause: Cause, tally: Tally | None, recorded: dict[str, Any] | None = None) -> audit.Draft:
    """The visit is over, why, and how much went; None where nobody knows it. `recorded`: of its recording."""
    octets = {} if tally is None else {"octets_to": tally.octets_to, "octets_from": tally.octets_from}
    recording = {} if recorded is None else {"recording": recorded}
    return _draft(audit.Action.TUNNEL_VISIT_ENDED, visit, {"cause": cause.value, **octets, **recording}, None)


def _draft(action: audit.Action, visit: Visit, more: dict[str, Any], address: audit.Personal | None) -> audit.Draft:
    person = visit.account_key
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.ACCESS,
        actor=OURSELVES if person is None else audit.Actor(audit.ActorKind.PERSON, person, visit.credential),
        asset=audit.Asset("device", visit.device_key),
        project_key=visit.project_key,
        after={
            "visit_key": visit.visit_key,
            "tunnel_key": visit.tunnel_key,
            "app": visit.app,
            "port": visit.port,
            "protocol": visit.protocol,
            "is_public": person is None,
            **more,
        },
        address=address,
    )
