"""Asking witnesses to cosign each newest head (C2SP tlog-witness). Their silence never holds the log up."""

import asyncio
from typing import Final

import structlog

from services.audit.backoff import Backoff
from services.audit.bell import Bell
from services.audit.proofs import consistency
from services.audit.records import Head
from services.audit.settings import Witness
from services.audit.store import log as store
from shared.database import Database
from shared.posting import post
from shared.tlog.note import SignedNote
from shared.tlog.witness import ADD_CHECKPOINT_PATH, AddCheckpoint, Status, cosignatures_in, known_size_in

LOOK_S: Final = 5.0
TRIES: Final = 3

log = structlog.get_logger()


class WitnessRefusedError(Exception):
    """The witness does not cosign: the text has its status. A fork, if it is right."""


class Witnessing:
    """One witness, and what it is believed to know of our log."""

    def __init__(self, database: Database, witness: Witness, bell: Bell, backoff: Backoff) -> None:
        """Ask `witness` after each ring of `bell`."""
        self._database = database
        self._witness = witness
        self._bell = bell
        self._backoff = backoff
        self._known = 0
        self._asked = 0

    async def run(self) -> None:
        """Have every newest head cosigned, for ever."""
        while True:
            try:
                await self.step()
            except Exception as error:  # noqa: BLE001 - whatever a witness does, the next head is offered to it again
                log.warning("head_not_cosigned", witness=self._witness.key.name, reason=repr(error))
                await asyncio.sleep(self._backoff.failed())
            else:
                self._backoff.succeeded()
                await self._bell.heard(LOOK_S)

    async def step(self) -> None:
        """Have the newest head cosigned, unless it is.

        Raises:
            PostingError, WitnessRefusedError, TlogError: The witness is away, does not want to, or answers nonsense.
        """
        head = await self._database.run(store.head)
        if head is None or head.number == self._asked:
            return
        for _ in range(TRIES):
            if await self._is_cosigned(head):
                self._asked = head.number
                return
        raise WitnessRefusedError("it names another size each time")

    async def _is_cosigned(self, head: Head) -> bool:
        """Ask once; false where the witness knows another size than we believed, which is believed from now on."""
        request = await self._request(head)
        url = f"{self._witness.url.rstrip('/')}/{ADD_CHECKPOINT_PATH}"
        reply = await post(url, request.octets, {"content-type": "text/plain"}, self._witness.ca)
        if reply.status == Status.CONFLICT:
            self._known = known_size_in(reply.content)
            return False
        if reply.status != Status.OK:
            raise WitnessRefusedError(f"status {reply.status}")
        text = SignedNote.parse(head.note.encode()).text
        async with self._database.transaction() as connection:
            for signature, _ in cosignatures_in(reply.content, text, [self._witness.key]):
                await store.cosign(connection, checkpoint=head.number, line=signature.line)
        self._known = head.size
        return True

    async def _request(self, head: Head) -> AddCheckpoint:
        if self._known > head.size:
            raise WitnessRefusedError(f"it has seen {self._known} entries, the log has {head.size}: some are lost")
        proof: tuple[bytes, ...] = ()
        if 0 < self._known < head.size:
            async with self._database.transaction() as connection:
                proof = await consistency(connection, self._known, head.size)
        return AddCheckpoint(self._known, proof, head.note.encode())
