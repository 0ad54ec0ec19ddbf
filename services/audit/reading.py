"""What a person reads: decided, recorded in the same transaction (decision 26), shown with personal values opened."""

from typing import Any, Final

import attrs

from services.audit import rules
from services.audit.encoding import canonical, spoken
from services.audit.projects import PersonalValues, Projects
from services.audit.records import Chosen, Question, Row, Scope
from shared import audit
from shared.audit import Action, Aspect, Asset, Draft, Outcome
from shared.database import Connection
from shared.errors import NotFoundError
from shared.identities import Person

NO_ENTRY: Final = "there is no such entry, or you may not read it"


class Reading:
    """Decides what may be read, and shows it."""

    def __init__(self, projects: Projects, personal: PersonalValues) -> None:
        """Ask `projects` who owns what, and `personal` what sealed values say."""
        self._projects = projects
        self._personal = personal

    async def question(self, person: Person, chosen: Chosen) -> Question:
        """What the person wants, and what of it they may read.

        Raises:
            InvalidArgumentError: It contradicts itself.
            NotFoundError: A project or an account is not theirs to read, or is not there at all.
        """
        conditions = rules.filter_of(chosen)
        return Question(person, chosen, await self._scope(person, chosen), conditions)

    async def _scope(self, person: Person, chosen: Chosen) -> Scope:
        if chosen.account is not None:
            if chosen.account != person.account_key:
                raise NotFoundError(NO_ENTRY)
            return Scope((), person.account_key, None)
        asset = rules.asset_of(chosen)
        if chosen.project is not None:
            return Scope((await self._projects.resolve(person, chosen.project),), None, asset)
        projects = await self._projects.readable(person)
        return Scope(projects, None if asset else person.account_key, asset)

    async def may_read(self, person: Person, row: Row | None) -> Row:
        """`row`, once it is seen to be the person's to read.

        Raises:
            NotFoundError: It is not, or there is none.
        """
        if row is not None and rules.concerns(person.account_key, row.actor, row.asset):
            return row
        if row is None or row.project not in await self._projects.readable(person):
            raise NotFoundError(NO_ENTRY)
        return row

    async def shown(self, rows: list[Row]) -> list[dict[str, Any]]:
        """The entries as people see them."""
        entries = [{"leaf_index": row.leaf_index, **canonical(row)} for row in rows]
        opened = await self._personal.opened(rules.personal_values(entries))
        return [rules.with_opened(entry, opened) for entry in entries]

    async def opened(self, rows: list[Row]) -> list[dict[str, Any] | None]:
        """For each entry its fields in clear, where it has personal values; else None."""
        entries = [canonical(row) for row in rows]
        opened = await self._personal.opened(rules.personal_values(entries))
        return [rules.with_opened(entry, opened) if rules.personal_values(entry) else None for entry in entries]


async def record_reading(
    connection: Connection,
    action: Action,
    question: Question,
    *,
    rows: int | None,
    outcome: Outcome = Outcome.DONE,
) -> None:
    """Record who read what: the filter, and how many rows (None: not known yet)."""
    person, chosen, scope = question.person, question.chosen, question.scope
    named = attrs.evolve(chosen, project=scope.projects[0]) if chosen.project is not None else chosen
    conditions = {name: value for name, value in spoken(named).items() if value is not None}
    project = scope.projects[0] if len(scope.projects) == 1 and scope.account_key is None else None
    draft = Draft(
        action=action,
        aspect=Aspect.READING,
        actor=audit.actor_of(person),
        asset=_asset(person, scope, project),
        project_key=project,
        after={"filter": conditions, "rows": rows},
        session=person.session or None,
        outcome=outcome,
    )
    await audit.record(connection, draft)


def _asset(person: Person, scope: Scope, project: int | None) -> Asset:
    if scope.asset is not None:
        return Asset(scope.asset[0], int(scope.asset[1]))
    return Asset("account", person.account_key) if project is None else Asset("project", project)
