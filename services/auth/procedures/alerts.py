"""Writing to people of what devices are alerted of: auth alone knows where, and in which language."""

import asyncio
from typing import Final

from services.auth.mailing import Mailing
from services.auth.persons import NO_ACCOUNT, person_in_txn
from services.auth.procedures.callers import serve_only
from services.auth.records.alerts import MailAlerts
from services.auth.rules.letters import alert_lines
from shared.allowance import Allowance
from shared.database import Database
from shared.errors import NotFoundError, OverLimitError
from shared.identities import ServiceIdentity
from shared.procedures import for_services

LETTERS: Final = 20
WINDOW_S: Final = 3_600.0
TOO_MANY: Final = "this person has got as many letters as they may get in an hour"


class AlertProcedures:
    """Auth's procedure about alerts."""

    def __init__(self, database: Database, mailing: Mailing) -> None:
        """Write by `mailing`."""
        self._database = database
        self._mailing = mailing
        self._allowance = Allowance(LETTERS, WINDOW_S)

    @for_services("ironflock.auth.alert.mail", MailAlerts)
    async def alert_mail(self, service: ServiceIdentity, request: MailAlerts) -> None:
        """Write to a person of alerts of a project, for devices alone, which has asked whether they may see it.

        Raises:
            NotFoundError: There is no such person who can sign in.
            OverLimitError: They have had too many letters; each process counts for itself.
        """
        serve_only(service, "devices")
        async with self._database.transaction() as connection:
            person = await person_in_txn(connection, request.account_key)
            if not person.can_sign_in:
                raise NotFoundError(NO_ACCOUNT)
            if not self._allowance.take(request.account_key, asyncio.get_running_loop().time()):
                raise OverLimitError(TOO_MANY)
            lines = alert_lines(person.locale, request.alerts, request.more)
            await self._mailing.write_in_txn(
                connection, person, "alert", project=request.project_name, lines="\n".join(lines)
            )
