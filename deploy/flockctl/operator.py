"""The person at the command line: which platform, which key, how patient, and where to write."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import define, field
from twisted.internet.task import deferLater

from deploy.flockctl.bus import Connection, connect
from deploy.flockctl.endpoints import Endpoints, find_endpoints
from deploy.flockctl.errors import AwayError, CommandError, OutcomeUnknownError, RefusedKeyError
from deploy.flockctl.output import Output
from deploy.flockctl.tickets import SIGNED_OUT, ticket_of

Result = TypeVar("Result")
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 3.0
PAGE_SIZE: Final = 500


@define
class Operator:
    """What every command gets. `wait_s` is how long it goes on trying while the platform is away."""

    reactor: Any
    output: Output
    wait_s: float
    state: Path | None
    api_key_file: Path | None
    environ: dict[str, str] = field(repr=False)
    working_folder: Path
    _endpoints: Endpoints | None = None
    _connection: Connection | None = None

    @property
    def endpoints(self) -> Endpoints:
        """The platform's endpoints; found once."""
        if self._endpoints is None:
            self._endpoints = find_endpoints(self.state, self.environ, self.working_folder)
        return self._endpoints

    async def connection(self) -> Connection:
        """The open session, opened now if need be (once, without patience)."""
        if self._connection is None or not self._connection.is_open:
            found = self.endpoints
            ticket = await ticket_of(found, self.api_key_file, self.environ)
            try:
                self._connection = await self._connected(found, ticket.text)
            except RefusedKeyError as error:
                if ticket.is_sign_in:
                    raise CommandError("signed_out", SIGNED_OUT) from error
                raise error.of_file(ticket.file) from error
        return self._connection

    async def _connected(self, found: Endpoints, ticket: str) -> Connection:
        """A session at the first router that lets people in now: any cell's will do."""
        try:
            return await connect(self.reactor, found.people, found.ca, ticket)
        except AwayError:
            for url in found.more_people:
                with suppress(AwayError):
                    return await connect(self.reactor, url, found.ca, ticket)
            raise

    async def call(self, procedure: str, *, repeatable: bool = True, **arguments: Any) -> Any:
        """The result of `procedure`, tried again while the platform is away.

        Args:
            repeatable: Whether it may be sent again after a first try of which no answer came back: only what changes
                nothing may.
        """

        async def attempt() -> Any:
            connection = await self.connection()
            try:
                return await connection.call(procedure, **arguments)
            except OutcomeUnknownError as error:
                if repeatable:
                    raise AwayError(error.message) from error
                raise

        return await self.patiently(attempt)

    async def pages(self, procedure: str, items: str, **arguments: Any) -> AsyncIterator[Any]:
        """Every item of a procedure that answers in pages."""
        position: dict[str, Any] = {}
        while True:
            page = await self.call(procedure, limit=PAGE_SIZE, **arguments, **position)
            for item in page[items]:
                yield item
            if page["next"] is None:
                return
            position = {"cursor": page["next"]}

    async def patiently(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """The first result of `attempt`, made again for up to `wait_s` after it first said that the platform is away.

        Raises:
            AwayError: The platform was away all that time.
        """
        pause, until = FIRST_PAUSE_S, None
        while True:
            try:
                return await attempt()
            except AwayError as error:
                now = self.reactor.seconds()
                if until is None:
                    until = now + self.wait_s
                    self.output.notice(f"{error.message}; trying again for up to {self.wait_s:g} s")
                if now >= until:
                    raise _given_up(error, self.wait_s) from error
                await deferLater(self.reactor, min(pause, until - now))
                pause = min(pause * 1.5, LONGEST_PAUSE_S)

    def close(self) -> None:
        """Leave the bus."""
        if self._connection is not None:
            self._connection.close()


def _given_up(error: AwayError, wait_s: float) -> CommandError:
    hint = "see `flockctl status`, or start it with `make up`"
    return AwayError(f"{error.message} (tried for {wait_s:g} s); {hint}", **error.details)
