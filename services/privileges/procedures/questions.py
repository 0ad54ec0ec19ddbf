"""Questions: the table of flags, checks, explanations, lists, history."""

from typing import Final

from services.privileges.questions import Questions
from services.privileges.records.history import ChangePage, ListChanges
from services.privileges.records.questions import (
    Answer,
    Answers,
    AssetPage,
    Check,
    CheckMany,
    Explain,
    Explanation,
    FlagTable,
    FlagView,
    ListAssets,
    ListPeople,
    PeoplePage,
)
from shared.flags import FLAGS
from shared.identities import Person
from shared.procedures import NoArguments, for_people

TABLE: Final = FlagTable(
    [FlagView(kind, flag, meaning) for kind, flags in FLAGS.items() for flag, meaning in flags.items()]
)


class QuestionProcedures:
    """Privileges' procedures that change nothing."""

    def __init__(self, questions: Questions) -> None:
        """Ask `questions`."""
        self._questions = questions

    @for_people("ironflock.privileges.flag.list", is_reading=True, is_narrowing=True)
    async def flag_list(self, person: Person, request: NoArguments) -> FlagTable:  # noqa: ARG002
        """Every flag that there is, and what it allows."""
        return TABLE

    @for_people("ironflock.privileges.flag.check", Check, is_reading=True)
    async def flag_check(self, person: Person, request: Check) -> Answer:
        """Whether somebody has a flag on an asset, by which rule, and until when; now or at another time."""
        return await self._questions.check(person, request)

    @for_people("ironflock.privileges.flag.check_many", CheckMany, is_reading=True)
    async def flag_check_many(self, person: Person, request: CheckMany) -> Answers:
        """Up to 1,000 checks, answered from one snapshot."""
        return Answers(await self._questions.check_many(person, request.checks))

    @for_people("ironflock.privileges.flag.explain", Explain, is_reading=True)
    async def flag_explain(self, person: Person, request: Explain) -> Explanation:
        """Every flag of an asset with its reason, or what is missing."""
        return await self._questions.explain(person, request)

    @for_people("ironflock.privileges.asset.list", ListAssets, is_reading=True)
    async def asset_list(self, person: Person, request: ListAssets) -> AssetPage:
        """On which assets somebody has a flag, paged."""
        return await self._questions.assets(person, request)

    @for_people("ironflock.privileges.person.list", ListPeople, is_reading=True)
    async def person_list(self, person: Person, request: ListPeople) -> PeoplePage:
        """Who has a flag on an asset, paged."""
        return await self._questions.holders(person, request)

    @for_people("ironflock.privileges.change.list", ListChanges, is_reading=True)
    async def change_list(self, person: Person, request: ListChanges) -> ChangePage:
        """Every change of rights: of an asset, of a project as a whole, or of oneself; newest first, paged."""
        return await self._questions.changes(person, request)
