"""What realms says in the audit log."""

from typing import Any

from shared import audit
from shared.identities import Person


def draft(
    person: Person,
    action: audit.Action,
    asset: audit.Asset,
    *,
    aspect: audit.Aspect = audit.Aspect.EXISTENCE,
    project_key: int | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    outcome: audit.Outcome = audit.Outcome.DONE,
) -> audit.Draft:
    """The entry of something that the person has done."""
    return audit.Draft(
        action=action,
        aspect=aspect,
        actor=audit.actor_of(person),
        asset=asset,
        project_key=project_key,
        before=before,
        after=after,
        session=person.session or None,
        outcome=outcome,
    )
