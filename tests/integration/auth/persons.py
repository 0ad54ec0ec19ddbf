"""Anna, and what the audit log holds of her."""

from services.auth.records.sealing import OpenPersonal, PersonalItem
from shared.identities import Person, ServiceIdentity
from tests.integration.auth.surface import Procedures
from tests.integration.database import Postgres

LOGIN = "Anna.Meier@example.com"
AUDIT = ServiceIdentity("audit", 1)


def recorded(postgres: Postgres, anna: Person) -> PersonalItem:
    """Her login name as the audit entry of her account holds it."""
    [(value,)] = postgres.rows("SELECT after -> 'login_name' FROM audit.queue WHERE action = 'account.created'")
    personal = value["personal"]
    assert personal["account_key"] == anna.account_key
    return PersonalItem(anna.account_key, personal["sealed"], f"audit/{anna.account_key}")


async def opened(procedures: Procedures, *items: PersonalItem) -> list[str | None]:
    """What audit gets to read."""
    answer: list[str | None] = await procedures.personal_open(AUDIT, OpenPersonal(list(items)))
    return answer
