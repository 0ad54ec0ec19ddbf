"""Attempts, counted before they are made."""

import math

from services.auth.rules.throttling import attempt
from services.auth.store.throttle import throttle_clear, throttle_lock_in_txn, throttle_set
from shared.database import Database
from shared.errors import OverLimitError


class Throttle:
    """The counters of this installation."""

    def __init__(self, database: Database) -> None:
        """Count in `database`."""
        self._database = database

    async def begin(self, *subjects: bytes) -> None:
        """Count an attempt against each of `subjects`; none is counted where one is blocked.

        Raises:
            OverLimitError: One is blocked; `retry_after_s` says for how long.
        """
        async with self._database.transaction() as connection:
            for subject in sorted(subjects):
                counter = await throttle_lock_in_txn(connection, subject)
                made = attempt(counter)
                if made is None:
                    seconds = math.ceil(counter.blocked_s) if counter is not None else 1
                    raise OverLimitError("too many attempts; wait a little and try again", retry_after_s=seconds)
                await throttle_set(connection, subject, failures=made.failures, blocked_s=made.blocked_s)

    async def take_back(self, subject: bytes) -> None:
        """Forget one attempt, and none before it: where whoever guesses can succeed at will in between."""
        async with self._database.transaction() as connection:
            counter = await throttle_lock_in_txn(connection, subject)
            if counter is not None:
                await throttle_set(connection, subject, failures=max(0, counter.failures - 1), blocked_s=0.0)

    async def succeed(self, *subjects: bytes) -> None:
        """Forget what was counted."""
        async with self._database.transaction() as connection:
            for subject in sorted(subjects):
                await throttle_clear(connection, subject)
