"""Messages to people: written in the transaction that causes them, delivered from there, at least once.

Recipient and text are sealed while they wait, since links open things. What could not be delivered for three days goes.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol
from uuid import uuid4

import structlog
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.auth.keyring import Keyring
from services.auth.records.messages import Letter, WaitingMessage
from services.auth.records.people import PersonAccount
from services.auth.rules.letters import CHANGES, Change, pause_after
from services.auth.store.messages import (
    message_delete,
    message_give_up,
    message_insert,
    message_lock_due_in_txn,
    message_postpone,
)
from shared.database import Connection, Database

LETTERS: Final = Path(__file__).with_name("letters")

log = structlog.get_logger()


class DeliveryError(Exception):
    """A message was not taken; the text tells why, without its content."""


class Delivery(Protocol):
    """What takes messages."""

    async def deliver(self, message_id: str, letter: Letter) -> None:
        """Take the message for good.

        Raises:
            DeliveryError: It was not taken.
        """


class Mailing:
    """The letters of this installation."""

    def __init__(self, database: Database, keyring: Keyring, home: str, chance: Callable[[], float]) -> None:
        """Write from `database`; `home` is the origin of auth's pages, `chance` gives numbers of [0, 1)."""
        self._database = database
        self._keyring = keyring
        self._home = home
        self._chance = chance
        # Plain text: nothing is escaped, and nothing of it becomes a header (see `delivering`).
        self._letters = Environment(loader=FileSystemLoader(LETTERS), undefined=StrictUndefined, autoescape=False)  # noqa: S701

    async def write_in_txn(
        self, connection: Connection, person: PersonAccount, template: str, *, to: str | None = None, **words: str
    ) -> None:
        """Write to `person`, or to their new address `to`; sent once the transaction has committed."""
        known = {"installation": self._home.removeprefix("https://"), "home": self._home, "url": self._home}
        text = self._letters.get_template(f"{person.locale}/{template}.txt").render(**{**known, **words})
        subject, _, body = text.partition("\n\n")
        message_id = uuid4()
        letter = {"recipient": to or person.login_name, "subject": subject.strip(), "text": body.strip() + "\n"}
        sealed = await self._keyring.seal(json.dumps(letter), _place(str(message_id)))
        await message_insert(connection, message_id, person.account_key, sealed)

    async def tell_in_txn(self, connection: Connection, person: PersonAccount, change: Change) -> None:
        """Tell the person of a change of their own account, which they may not have made."""
        url = f"{self._home}/account"
        await self.write_in_txn(connection, person, "changed", what=CHANGES[person.locale][change], url=url)

    def url(self, page: str, token: str) -> str:
        """The address of a page that a link opens."""
        return f"{self._home}/{page}?code={token}"

    async def deliver_due(self, delivery: Delivery) -> int:
        """Deliver everything that waits; how many messages were taken.

        Raises:
            PublicError: The database is away.
        """
        taken = 0
        while await self._deliver_one(delivery):
            taken += 1
        async with self._database.transaction() as connection:
            given_up = await message_give_up(connection)
        if given_up:
            log.error("messages_given_up", count=given_up)
        return taken

    async def _deliver_one(self, delivery: Delivery) -> bool:
        async with self._database.transaction() as connection:
            waiting = await message_lock_due_in_txn(connection)
            if waiting is None:
                return False
            try:
                await delivery.deliver(str(waiting.message_id), await self._opened(waiting))
            except DeliveryError as error:
                log.warning("message_not_delivered", message=str(waiting.message_id), reason=str(error))
                pause_s = pause_after(waiting.attempts, self._chance())
                await message_postpone(connection, waiting.message_id, pause_s=pause_s, failure=str(error)[:200])
            else:
                await message_delete(connection, waiting.message_id)
        return True

    async def _opened(self, waiting: WaitingMessage) -> Letter:
        return Letter(**json.loads(await self._keyring.open(waiting.sealed, _place(str(waiting.message_id)))))


def _place(message_id: str) -> str:
    return f"auth.message/{message_id}"
