"""The log's heads: anybody who is there may see them, they tell nothing of the entries."""

from services.audit.proofs import BrokenLogError, consistency
from services.audit.records import AskConsistency, Head, HeadConsistency, PublicHead
from services.audit.signing import Notary
from services.audit.store import log
from shared.database import Connection, Database
from shared.errors import InvalidArgumentError, UnavailableError
from shared.identities import Person
from shared.procedures import for_people
from shared.tlog.note import encode_base64


class HeadProcedures:
    """Audit's procedures about heads."""

    def __init__(self, database: Database, notary: Notary) -> None:
        """Serve from `database`."""
        self._database = database
        self._notary = notary

    @for_people("ironflock.audit.head.show", is_reading=True)
    async def head_show(self, person: Person, request: object) -> PublicHead:  # noqa: ARG002 - takes none
        """The newest head, and the keys that it is verified with."""
        head = await self._database.run(_head)
        return PublicHead(
            size=head.size,
            root=encode_base64(head.root),
            checkpoint=head.note,
            published_at=head.published_at,
            origin=self._notary.origin,
            keys=self._notary.key_texts,
        )

    @for_people("ironflock.audit.head.consistency", AskConsistency, is_reading=True)
    async def head_consistency(self, person: Person, request: AskConsistency) -> HeadConsistency:  # noqa: ARG002 - anybody
        """The proof that the newest head continues the one of `from_size`."""
        async with self._database.transaction() as connection:
            head = await _head(connection)
            if request.from_size > head.size:
                raise InvalidArgumentError(f"the newest head has {head.size} entries", argument="from_size")
            try:
                proof = await consistency(connection, request.from_size, head.size)
            except BrokenLogError as error:
                raise UnavailableError("the log is damaged: verify it, and tell its operator") from error
        return HeadConsistency(
            from_size=request.from_size,
            size=head.size,
            root=encode_base64(head.root),
            consistency_proof=[encode_base64(each) for each in proof],
            checkpoint=head.note,
        )


async def _head(connection: Connection) -> Head:
    head = await log.head(connection)
    if head is None:
        raise UnavailableError("no head is published yet; try again in a moment")
    return head
