"""Privileges on a real database: everything but its bus, with a clock that the test turns."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from autobahn.wamp.exception import ApplicationError

from services.privileges.app_transfers import AppTransfers
from services.privileges.erased import Erased
from services.privileges.granting import Granting
from services.privileges.inventory import Inventory
from services.privileges.ledger import Ledger
from services.privileges.locking import Locking
from services.privileges.membership import Membership
from services.privileges.news import Announcer
from services.privileges.people import People
from services.privileges.procedures.apps import AppTransferProcedures
from services.privileges.procedures.grants import GrantProcedures
from services.privileges.procedures.locks import LockProcedures
from services.privileges.procedures.members import MemberProcedures
from services.privileges.procedures.questions import QuestionProcedures
from services.privileges.procedures.services import ServiceProcedures
from services.privileges.procedures.transfers import TransferProcedures
from services.privileges.projects import Projects
from services.privileges.questions import Questions
from services.privileges.records.grants import GiveFlags
from services.privileges.records.members import Invite, ListInvitations, NameInvitation
from services.privileges.records.questions import Answer, Check
from services.privileges.records.services import PutAsset, PutDomain
from services.privileges.store import history
from services.privileges.transfers import Transfers
from shared.bus import Bus
from shared.database import Connection, Database
from shared.errors import AlreadyExistsError, PublicError, StepUpRequiredError, UnavailableError
from shared.flags import AssetKind
from shared.identities import Person, ServiceIdentity

ANNA, BERT, CARL, DORA = (Person(5, 11, "key-1"), Person(6, 12), Person(7, 13), Person(8, 14))
EVERYBODY = {person.account_key: person for person in (ANNA, BERT, CARL, DORA)}
NAMES = {5: "anna@plant.example", 6: "bert@plant.example", 7: "carl@plant.example", 8: "dora@plant.example"}
REALMS, DEVICES, AUTH = (ServiceIdentity(name, 1) for name in ("realms", "devices", "auth"))
BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Session:
    """A session of the system realm, which keeps what is published."""

    def __init__(self) -> None:
        self.published: list[dict[str, Any]] = []

    def publish(self, topic: str, **news: Any) -> None:
        assert topic == "ironflock.privileges.changed"
        self.published.append(news)


class Others:
    """Auth and realms, as far as privileges asks them; `refuses` has what they answer instead, by procedure."""

    def __init__(self) -> None:
        self.session = Session()
        self.asked: list[str] = []
        self.refuses: dict[str, PublicError | ApplicationError] = {}
        self.owners: dict[int, int] = {}
        self.app_owners: list[dict[str, int]] = []
        self.erased: list[int] = []
        self.keys = {"k7": 7}
        self.first_owner: int | None = ANNA.account_key
        self.before: Callable[[str], None] = lambda _: None

    def sessions(self, _: str) -> list[Session]:
        return [self.session]

    def on_join(self, *_: Any) -> None:
        """Nothing here joins."""

    async def call(self, procedure: str, **arguments: Any) -> Any:
        self.asked.append(procedure)
        self.before(procedure)
        if procedure in self.refuses:
            raise self.refuses[procedure]
        answers: dict[str, Callable[..., Any]] = {
            "ironflock.auth.account.resolve": lambda accounts: [_resolved(each) for each in accounts],
            "ironflock.auth.account.first_owner": lambda: self.first_owner,
            "ironflock.auth.account.find_erased": lambda account_keys: [k for k in account_keys if k in self.erased],
            "ironflock.auth.session.require_fresh": lambda **_: None,
            "ironflock.auth.api_key.owner": lambda key_id: self.keys.get(str(key_id)),
            "ironflock.realms.project.set_owner": self._set_owner,
            "ironflock.realms.app.set_owner": lambda **said: self.app_owners.append(said),
        }
        return answers[procedure](**arguments)

    def _set_owner(self, *, project_key: int, owner_account_key: int) -> None:
        self.owners[project_key] = owner_account_key


def _resolved(account: int | str) -> dict[str, Any] | None:
    by_name = {name: key for key, name in NAMES.items()}
    key = by_name.get(account) if isinstance(account, str) else account
    return {"account_key": key, "login_name": NAMES[key]} if key in NAMES else None


class Clock:
    """The database's time, said by the test."""

    def __init__(self) -> None:
        self.now = BEGIN

    async def moment(self, connection: Connection) -> datetime:
        return self.now

    def turn(self, **by: float) -> datetime:
        """Some time passes."""
        self.now += timedelta(**by)
        return self.now

    def __call__(self) -> float:
        return self.now.timestamp()


class Privileges:
    """All rooms of the service."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.others = Others()
        self.clock = Clock()
        history.moment = self.clock.moment
        bus = cast("Bus", self.others)
        people = People(bus, database, self.clock)
        ledger = Ledger(database, Announcer(bus, database))
        projects = Projects(database)
        self.announcer = Announcer(bus, database)
        self.ledger = ledger
        self.inventory = Inventory(database, ledger, people)
        self.services = ServiceProcedures(database, self.inventory)
        self.grants = GrantProcedures(database, Granting(database, ledger, people), projects, people)
        self.members = MemberProcedures(database, Membership(database, ledger, people), projects, people)
        self.handing_over = Transfers(bus, database, ledger, people)
        self.transfers = TransferProcedures(database, self.handing_over, projects, people)
        self.handing_apps_over = AppTransfers(bus, database, ledger, people)
        self.app_transfers = AppTransferProcedures(database, self.handing_apps_over, people)
        self.locks = LockProcedures(Locking(database, ledger, people))
        self.questions = QuestionProcedures(Questions(database, people, self.clock))
        self.erased = Erased(bus, database, ledger)

    @property
    def news(self) -> list[dict[str, Any]]:
        """What was told to decision points."""
        return self.others.session.published

    async def project(self, key: int = 1, owner: Person = ANNA, name: str = "plant") -> int:
        """A project of that owner."""
        request = PutDomain("project", key, name, owner.account_key)
        await self.services.domain_put(REALMS, request)
        self.others.owners[key] = owner.account_key
        return key

    async def device(
        self, key: int, project: int = 1, *, revision: int = 1, creator: Person | None = None, groups: Any = ()
    ) -> int:
        """A device in the project."""
        await self.put(AssetKind.DEVICE, key, project, revision=revision, creator=creator, groups=groups)
        return key

    async def put(
        self,
        kind: AssetKind,
        key: int,
        project: int = 1,
        *,
        revision: int = 1,
        creator: Person | None = None,
        groups: Any = (),
    ) -> None:
        """Something in the project."""
        creator_key = None if creator is None else creator.account_key
        service = DEVICES if kind in (AssetKind.DEVICE, AssetKind.GROUP) else REALMS
        await self.services.asset_put(service, PutAsset(kind, key, project, revision, creator_key, sorted(groups)))

    async def member(self, person: Person, project: int = 1, by: Person = ANNA) -> None:
        """The person is invited, and comes."""
        await self.members.invitation_create(by, Invite(project, NAMES[person.account_key]))
        (invitation,) = [
            each
            for each in (await self.members.invitation_list(person, ListInvitations())).invitations
            if each.project_key == project
        ]
        await self.members.invitation_accept(person, NameInvitation(invitation.invitation_key))

    async def give(self, to: Person, kind: AssetKind, key: int, *flags: str, by: Person = ANNA, **more: Any) -> None:
        """The person has the flags."""
        await self.grants.grant_give(by, GiveFlags(NAMES[to.account_key], kind, key, list(flags), **more))

    async def check(self, person: Person, flag: str, kind: AssetKind, key: int, **more: Any) -> Answer:
        """Whether the person has the flag, as they are told."""
        answer: Answer = await self.questions.flag_check(person, Check(kind, key, flag, **more))
        return answer

    async def has(self, person: Person, flag: str, kind: AssetKind, key: int, **more: Any) -> bool:
        """As `check`, in short."""
        return (await self.check(person, flag, kind, key, **more)).allowed


AWAY = UnavailableError("away")
STALE = StepUpRequiredError("sign in again")
TAKEN = AlreadyExistsError("taken")
