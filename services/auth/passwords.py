"""Argon2id beside the reactor (RFC 9106, second recommended option): a few at a time, a bounded number waiting."""

import asyncio
import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from services.auth.rules.passwords import MAX_LENGTH, normalized, require_good
from shared.errors import OverLimitError

Result = TypeVar("Result")
MAX_WAITING: Final = 64


@cache
def common() -> frozenset[str]:
    """The passwords that everybody tries first: 12 MiB, read when somebody first chooses one."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415

    return frozenset(FREQUENCY_LISTS["passwords"])


class Passwords:
    """Hashes passwords and compares with hashes; takes the same time whether there is a hash or not."""

    def __init__(self, workers: int | None = None) -> None:
        """Hash with as many threads as there are cores, or `workers`."""
        self._hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._threads = ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="argon2")
        self._waiting = 0
        self._nobodys = self._hasher.hash(secrets.token_urlsafe(16))

    async def hash(self, password: str, *, login_name: str) -> str:
        """The hash of a password that is good enough.

        Raises:
            InvalidArgumentError: It is not good enough.
            OverLimitError: Too many are being hashed.
        """
        text = require_good(password, login_name=login_name, common=common())
        return await self._beside(lambda: self._hasher.hash(text))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` is the one of `stored`; False, after as long a time, where nothing is stored.

        Raises:
            OverLimitError: Too many are being compared.
        """
        octets = normalized(password[:MAX_LENGTH]).encode("utf-8", "surrogatepass")
        matches = await self._beside(lambda: self._matches(stored or self._nobodys, octets))
        return matches and stored is not None and len(password) <= MAX_LENGTH

    async def again(self, password: str) -> str:
        """The hash of a password that has just been the right one, under today's parameters."""
        return await self._beside(lambda: self._hasher.hash(normalized(password)))

    def is_outdated(self, stored: str) -> bool:
        """Whether `stored` was made with other parameters than new ones are."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """Take no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, stored: str, octets: bytes) -> bool:
        try:
            return self._hasher.verify(stored, octets)
        except (VerificationError, InvalidHashError):
            return False

    async def _beside(self, work: Callable[[], Result]) -> Result:
        if self._waiting >= MAX_WAITING:
            raise OverLimitError("too many people sign in at this moment; try again shortly", retry_after_s=5)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
