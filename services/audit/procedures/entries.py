"""Reading entries: lists, single ones with their proof, a live tail, an export that verifies offline."""

from typing import Any, Final

from services.audit.bell import Bell
from services.audit.bounds import Bound
from services.audit.encoding import canonical
from services.audit.exporting import Export
from services.audit.proofs import BrokenLogError, inclusion
from services.audit.reading import Reading, record_reading
from services.audit.records import (
    Chosen,
    EntryPage,
    EntryProof,
    ExportEntries,
    Filter,
    Head,
    ListEntries,
    NameEntry,
    Question,
    Row,
    Scope,
    TailEntries,
)
from services.audit.signing import Notary
from services.audit.store import entries as store
from services.audit.store import log
from services.audit.tailing import Tail
from shared.audit import Action
from shared.database import Connection, Database
from shared.errors import UnavailableError
from shared.identities import MAX_KEY, Person
from shared.paging import cursor_at, page, position_after
from shared.procedures import Progress, for_people
from shared.rights.decision_point import Rights
from shared.tlog.note import encode_base64

MAX_TAILS: Final = 500
MAX_EXPORTS: Final = 8
NOT_PUBLISHED: Final = "the entry is not in a published head yet; try again in a moment"


class EntryProcedures:
    """Audit's procedures about entries."""

    def __init__(self, database: Database, reading: Reading, notary: Notary, bell: Bell, rights: Rights) -> None:
        """Serve from `database`."""
        self._database = database
        self._reading = reading
        self._notary = notary
        self._bell = bell
        self._rights = rights
        self._tails = Bound(MAX_TAILS, "tails")
        self._exports = Bound(MAX_EXPORTS, "exports")

    @for_people("ironflock.audit.entry.list", ListEntries, is_reading=True)
    async def entry_list(self, person: Person, request: ListEntries) -> EntryPage:
        """Entries, newest first, paged by cursor or by offset."""
        below = position_after(request.cursor) or MAX_KEY
        question = await self._reading.question(person, request)
        async with self._database.transaction() as connection:
            size = await log.size(connection)
            rows = await store.entries_before(
                connection, question, below=below, offset=request.offset, limit=request.limit + 1
            )
            found, cursor = page(rows, request.limit, lambda row: row.leaf_index or 0)
            await record_reading(connection, Action.AUDIT_LOG_READ, question, rows=len(found))
        return EntryPage(
            entries=await self._reading.shown(found), next=cursor, top=request.cursor or cursor_at(max(size, 1))
        )

    @for_people("ironflock.audit.entry.show", NameEntry, is_reading=True)
    async def entry_show(self, person: Person, request: NameEntry) -> dict[str, Any]:
        """One entry."""
        row = await self._found(person, request.entry_id)
        async with self._database.transaction() as connection:
            await _record_one(connection, person, row)
        (shown,) = await self._reading.shown([row])
        return shown

    @for_people("ironflock.audit.entry.proof", NameEntry, is_reading=True)
    async def entry_proof(self, person: Person, request: NameEntry) -> EntryProof:
        """One entry and the proof that it is in the log: all of one head."""
        row = await self._found(person, request.entry_id)
        async with self._database.transaction() as connection:
            await _record_one(connection, person, row)
            head = await log.head(connection)
            if head is None or row.leaf_index is None or row.leaf_index >= head.size:
                raise UnavailableError(NOT_PUBLISHED)
            return await self._proved(connection, row, row.leaf_index, head)

    async def _proved(self, connection: Connection, row: Row, index: int, head: Head) -> EntryProof:
        try:
            proof = await inclusion(connection, index, head.size)
        except BrokenLogError as error:
            raise UnavailableError("the log is damaged: verify it, and tell its operator") from error
        return EntryProof(
            leaf_index=index,
            salt=encode_base64(row.salt or b""),
            entry=canonical(row),
            size=head.size,
            root=encode_base64(head.root),
            inclusion_proof=[encode_base64(each) for each in proof],
            checkpoint=head.note,
            keys=self._notary.key_texts,
        )

    @for_people("ironflock.audit.entry.tail", TailEntries, is_stream=True, is_reading=True)
    async def entry_tail(self, person: Person, request: TailEntries, progress: Progress) -> None:
        """Entries as they come, until the caller ends it."""
        with self._tails.one(), self._rights.follow(person.account_key, self._bell.ring) as following:
            question = await self._reading.question(person, request)
            await Tail(self._database, self._reading, self._bell, question).follow(progress, following)

    @for_people("ironflock.audit.entry.export", ExportEntries, is_stream=True, is_reading=True)
    async def entry_export(self, person: Person, request: ExportEntries, progress: Progress) -> None:
        """The lines of an export file, oldest entry first."""
        question = await self._reading.question(person, request)
        with self._exports.one():
            await Export(self._database, self._reading, self._notary, question).send(progress)

    async def _found(self, person: Person, entry_id: int) -> Row:
        """The entry, if the person may read it; that they do is still to be recorded."""
        found = await self._database.run(lambda connection: store.entry_find(connection, entry_id))
        return await self._reading.may_read(person, found)


async def _record_one(connection: Connection, person: Person, row: Row) -> None:
    scope = Scope((row.project,) if row.project is not None else (), None, None)
    await record_reading(connection, Action.AUDIT_LOG_READ, Question(person, Chosen(), scope, Filter()), rows=1)
