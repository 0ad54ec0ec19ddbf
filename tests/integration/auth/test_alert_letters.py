"""People are written to of alerts, in their language, not too often."""

import pytest

from services.auth.procedures.alerts import LETTERS, AlertProcedures
from services.auth.records.alerts import MailAlerts, MailedAlert
from shared.errors import NotAuthorizedError, NotFoundError, OverLimitError
from shared.identities import ServiceIdentity
from tests.integration.auth.people import NAME, People

pytestmark = [pytest.mark.asyncio, pytest.mark.real]

DEVICES = ServiceIdentity("devices", 1)
OFFLINE = MailedAlert("device_offline", "warning", "open", "press-1\n\nBcc: all@example.com", "2026-11-30T09:00+00:00")
OVER = MailedAlert("devices_offline", "critical", "resolved", "200", "2026-11-30T09:10+00:00")


async def joined(people: People) -> int:
    """Anna's key."""
    await people.join()
    await people.post()
    return int(people.postgres.rows("SELECT account_key FROM auth.account")[0][0])


async def test_a_person_is_written_to_in_their_language_and_a_name_is_one_line(people: People) -> None:
    key = await joined(people)
    surface = AlertProcedures(people.database, people.mailing)
    people.postgres.run("UPDATE auth.account SET locale = 'de'")
    await people.post()

    await surface.alert_mail(DEVICES, MailAlerts(key, "plant\nBcc: x", [OFFLINE, OVER], more=3))

    (letter,) = await people.post()
    assert letter.recipient == NAME
    assert letter.subject.startswith("Meldungen von plant")
    assert "- das Gerät press-1 Bcc: all@example.com ist offline (2026-11-30T09:00+00:00)" in letter.text
    assert "- vorbei: 200 Geräte sind offline" in letter.text
    assert "- und 3 weitere" in letter.text


async def test_nobody_else_has_letters_written_and_nobody_gets_too_many(people: People) -> None:
    key = await joined(people)
    surface, mail = AlertProcedures(people.database, people.mailing), MailAlerts(key, "plant", [OFFLINE])
    await people.post()
    with pytest.raises(NotAuthorizedError):
        await surface.alert_mail(ServiceIdentity("tunnels", 1), mail)
    with pytest.raises(NotFoundError):
        await surface.alert_mail(DEVICES, MailAlerts(key + 1, "plant", [OFFLINE]))
    for _ in range(LETTERS):
        await surface.alert_mail(DEVICES, mail)
    with pytest.raises(OverLimitError):
        await surface.alert_mail(DEVICES, mail)

    assert len(await people.post()) == LETTERS


async def test_who_cannot_sign_in_is_not_written_to(people: People) -> None:
    key = await joined(people)
    people.postgres.run("UPDATE auth.account SET state = 'disabled'")

    with pytest.raises(NotFoundError):
        await AlertProcedures(people.database, people.mailing).alert_mail(DEVICES, MailAlerts(key, "plant", [OFFLINE]))
