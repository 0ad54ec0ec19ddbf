"""Requests that are sent twice: the same key with the same request gets the same answer, and nothing is done again.

The place is taken before anything is called, and the answer stored before it is sent. A process that dies in between
leaves a place without an answer: whoever comes with the same request after `LEASE_S` takes it over. Names are unique,
so that what was done before the crash is then told as existing.
"""

from hashlib import sha256
from typing import Final
from uuid import UUID, uuid4

from services.gateway import store
from services.gateway.records import Answer, Asked, HttpRefusedError, Kept, Proof
from services.gateway.rules.refusals import NOTHING_CHANGED
from services.gateway.store import Place
from shared.database import Database
from shared.errors import OverLimitError

LIFE_S: Final = 86_400.0
LEASE_S: Final = 90.0
MAX_KEPT: Final = 10_000
MAX_CONTENT_OCTETS: Final = 262_144
SWEPT_AT_ONCE: Final = 1_000


class Keeping:
    """Answers in the database."""

    def __init__(self, database: Database) -> None:
        """Keep in `database`."""
        self._database = database

    async def begin(self, proof: Proof, key: str, fingerprint: bytes) -> "Attempt | Answer":
        """The right to do the request now, or the answer that it got before.

        Raises:
            HttpRefusedError: Another request has that key; it is being answered; its answer was not kept.
            OverLimitError: Too many keys within a day.
        """
        place, attempt = Place(proof.account_key, proof.credential, key), uuid4()
        async with self._database.transaction() as connection:
            kept = await store.answer_find(connection, place)
            if kept is None and await store.answer_count(connection, place, limit=MAX_KEPT) >= MAX_KEPT:
                raise OverLimitError(f"at most {MAX_KEPT} idempotency keys are kept for a day; leave the key out")
            is_ours = await store.answer_begin(
                connection, place, fingerprint=fingerprint, attempt=attempt, life_s=LIFE_S, lease_s=LEASE_S
            )
            kept = None if is_ours else await store.answer_find(connection, place)
        return Attempt(self._database, place, attempt) if is_ours else _earlier(kept, fingerprint)

    async def sweep(self) -> None:
        """Forget what is past its life."""
        await self._database.run(lambda connection: store.answer_sweep(connection, life_s=LIFE_S, limit=SWEPT_AT_ONCE))


class Attempt:
    """A request that is being answered here and nowhere else."""

    def __init__(self, database: Database, place: Place, attempt: UUID) -> None:
        """Made by `Keeping.begin` alone."""
        self._database = database
        self._place = place
        self._attempt = attempt

    async def finish(self, answer: Answer, *, is_secret: bool) -> None:
        """Keep `answer`, without its content where that is a secret; forget the attempt where nothing was changed."""
        place, attempt = self._place, self._attempt
        if answer.status in NOTHING_CHANGED or answer.status == 401:  # noqa: PLR2004 - unauthorized meanwhile
            await self._database.run(lambda connection: store.answer_forget(connection, place, attempt=attempt))
            return
        is_hidden = is_secret and answer.status < 300  # noqa: PLR2004 - a refusal shows no secret
        content = None if is_hidden or len(answer.content) > MAX_CONTENT_OCTETS else answer.content
        await self._database.run(
            lambda connection: store.answer_finish(
                connection, place, attempt=attempt, status=answer.status, content=content
            )
        )


def fingerprint_of(asked: Asked) -> bytes:
    """What makes two requests the same: method, path, query and body, octet by octet."""
    head = f"{asked.method}\n{asked.path}\n{asked.query}\n"
    return sha256(head.encode() + asked.body).digest()


def _earlier(kept: Kept | None, fingerprint: bytes) -> Answer:
    if kept is None or (kept.status is None and kept.fingerprint == fingerprint):
        raise HttpRefusedError("in_progress", "a request with this Idempotency-Key is being answered; ask again later")
    if kept.fingerprint != fingerprint:
        raise HttpRefusedError("key_reused", "this Idempotency-Key belongs to another request; take a new one")
    if kept.content is None or kept.status is None:
        raise HttpRefusedError(
            "answer_not_kept", "this was done already; its answer is not kept", done_with_status=kept.status
        )
    return Answer(kept.status, kept.content, (("idempotent-replayed", "true"),))
