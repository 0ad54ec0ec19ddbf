"""What the fake router knows of rights: it takes what the service takes, and answers with the service's own records."""

from datetime import UTC, datetime
from typing import Any, Final

from services.privileges.records.grants import (
    DefaultList,
    DefaultView,
    GiveFlags,
    GrantPage,
    GrantView,
    ListGrants,
    SetDefaults,
    TakeFlags,
    UnsetDefaults,
)
from services.privileges.records.history import ChangePage, ChangeView, ListChanges, What
from services.privileges.records.locks import CreateLock, EndLock, LockList, LockView
from services.privileges.records.members import (
    Invitation,
    InvitationList,
    Invite,
    ListInvitations,
    Member,
    MemberList,
    NameInvitation,
    NameMember,
    NameProject,
    Transfer,
    TransferList,
)
from services.privileges.records.questions import (
    Answer,
    AssetPage,
    Check,
    Explain,
    Explanation,
    FlagTable,
    FlagView,
    ListAssets,
    ListPeople,
    PeoplePage,
    PersonView,
)
from shared.errors import InvalidArgumentError
from shared.flags import AssetKind
from shared.procedures import NoArguments, decode, plain
from shared.rights.records import LockKind, Rule
from tests.integration.flockctl.fake_fleet import DEVICE, PROJECT
from tests.integration.flockctl.fake_router import FakeRouter, RefusedError

ANNA: Final = "anna@example.com"
SINCE: Final = datetime(2026, 11, 25, 9, tzinfo=UTC)
ENDS: Final = datetime(2026, 12, 24, 12, tzinfo=UTC)
PRESS: Final = {"kind": "device", "key": 7}

YES: Final = Answer(allowed=True, rule=Rule.GROUP, grant_key=17, until=ENDS)
NO: Final = Answer(allowed=False, rule=Rule.NO_MEMBER, grant_key=None, until=None)
GRANT: Final = GrantView(
    grant_key=17,
    account_key=5,
    login_name=ANNA,
    kind=AssetKind.DEVICE,
    key=7,
    flag="READ",
    ends_at=ENDS,
    is_visit=True,
    given_by=1,
    given_at=SINCE,
)
PERSON: Final = PersonView(account_key=5, login_name=ANNA, rule=Rule.DEFAULT, grant_key=None, until=None)
CHANGE: Final = ChangeView(
    change_key=9,
    at=SINCE,
    what=What.GRANT,
    is_on=False,
    account_key=5,
    kind=AssetKind.DEVICE,
    key=7,
    flag="READ",
    ends_at=None,
    is_visit=True,
    by_account_key=1,
    reason="\x1b[31mdone",
)
OWNER: Final = Member(account_key=1, login_name="o@x.org", is_owner=True, is_visitor=False, since=None, ends_at=None)
VISITOR: Final = Member(account_key=5, login_name=ANNA, is_owner=False, is_visitor=True, since=SINCE, ends_at=ENDS)
INVITATION: Final = Invitation(
    invitation_key=12,
    project_key=3,
    project_name="plant",
    account_key=5,
    login_name=ANNA,
    invited_by=1,
    reason="night shift",
    created_at=SINCE,
    ends_at=ENDS,
)
TRANSFER: Final = Transfer(
    project_key=3,
    project_name="plant",
    from_account_key=1,
    to_account_key=5,
    to_login_name=ANNA,
    offered_at=SINCE,
    ends_at=ENDS,
)
LOCK: Final = LockView(
    lock_key=4,
    kind=LockKind.DEVICE,
    key="7",
    ends_at=ENDS,
    reason="opened by strangers",
    created_by=1,
    created_at=SINCE,
)
FLAG: Final = FlagView(AssetKind.DEVICE, "READ", "see state")
EXPLANATION: Final = Explanation(account_key=5, kind=AssetKind.DEVICE, key=7, flags={"READ": YES, "GRANT": NO})

PROCEDURES: Final[dict[str, tuple[type[Any], Any]]] = {
    "flag.list": (NoArguments, FlagTable([FLAG])),
    "flag.check": (Check, YES),
    "flag.explain": (Explain, EXPLANATION),
    "asset.list": (ListAssets, AssetPage([7, 8], None)),
    "person.list": (ListPeople, PeoplePage([PERSON], None)),
    "change.list": (ListChanges, ChangePage([CHANGE], "more")),
    "grant.give": (GiveFlags, None),
    "grant.take": (TakeFlags, None),
    "grant.list": (ListGrants, GrantPage([GRANT], None)),
    "default.set": (SetDefaults, None),
    "default.unset": (UnsetDefaults, None),
    "default.list": (NameProject, DefaultList([DefaultView(AssetKind.DEVICE, "READ", None)])),
    "member.list": (NameProject, MemberList([OWNER, VISITOR])),
    "member.remove": (NameMember, None),
    "member.leave": (NameProject, None),
    "invitation.create": (Invite, INVITATION),
    "invitation.list": (ListInvitations, InvitationList([INVITATION])),
    "invitation.accept": (NameInvitation, None),
    "invitation.decline": (NameInvitation, None),
    "invitation.revoke": (NameInvitation, None),
    "transfer.offer": (NameMember, TRANSFER),
    "transfer.accept": (NameProject, None),
    "transfer.withdraw": (NameProject, None),
    "transfer.list": (NoArguments, TransferList([TRANSFER])),
    "lock.create": (CreateLock, LOCK),
    "lock.list": (NoArguments, LockList([LOCK])),
    "lock.end": (EndLock, None),
}


def uri(name: str) -> str:
    """The whole name of a procedure of privileges."""
    return f"ironflock.privileges.{name}"


def know_rights(router: FakeRouter) -> None:
    """Answer every procedure of privileges, and what finds keys for names."""
    for name, (payload, answer) in PROCEDURES.items():
        answer_with(router, name, answer, payload)
    found = {"device": DEVICE, "project": PROJECT}
    router.script.procedures["ironflock.devices.device.show"] = lambda **_: found["device"]
    router.script.procedures["ironflock.realms.project.show"] = lambda **_: found["project"]
    router.script.procedures["ironflock.devices.group.show"] = lambda **_: {"group_key": 6}
    router.script.procedures["ironflock.auth.account.me"] = lambda: {"account_key": 5}


def answer_with(router: FakeRouter, name: str, answer: Any, payload: type[Any] | None = None) -> None:
    """Answer a procedure with a record, as long as its arguments are what the service takes."""
    taken = payload or PROCEDURES[name][0]

    def procedure(**arguments: Any) -> Any:
        try:
            decode(taken, arguments)
        except InvalidArgumentError as error:
            raise RefusedError("wamp.error.invalid_argument", error.message) from error
        return plain(answer)

    router.script.procedures[uri(name)] = procedure
