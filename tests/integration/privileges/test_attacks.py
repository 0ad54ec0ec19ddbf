"""What somebody tries who wants more than they were given, on a real database."""

from datetime import timedelta
from typing import Any, cast

import pytest
import pytest_asyncio

from services.privileges import locking
from services.privileges.records.grants import SetDefaults, TakeFlags, UnsetDefaults
from services.privileges.records.locks import CreateLock, EndLock
from services.privileges.records.members import Invite, ListInvitations, NameInvitation, NameMember, NameProject
from services.privileges.records.questions import Check, CheckMany, ListAssets
from services.privileges.records.services import AccountKey, AskEntry, ForgetAsset, ForgetDomain, PutAsset
from services.privileges.store import domains, standings
from shared.errors import NotAuthorizedError, NotFoundError, OverLimitError, UnavailableError
from shared.flags import AssetKind
from shared.identities import Person
from shared.procedures import NoArguments
from shared.rights.records import LockKind
from tests.integration.database import Postgres
from tests.integration.privileges.world import ANNA, AUTH, AWAY, BERT, CARL, DEVICES, DORA, NAMES, REALMS, Privileges

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
DEVICE, GROUP, PROJECT, INSTALLATION = AssetKind.DEVICE, AssetKind.GROUP, AssetKind.PROJECT, AssetKind.INSTALLATION


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(privileges: Privileges) -> Privileges:
    """Anna's plant with device 3 and group 9, and Bert and Carl in it."""
    await privileges.project()
    await privileges.device(3)
    await privileges.put(GROUP, 9)
    await privileges.member(BERT)
    await privileges.member(CARL)
    return privileges


async def test_what_every_member_has_on_groups_is_not_given_on_to_the_devices_in_them(plant: Privileges) -> None:
    await plant.grants.default_set(ANNA, SetDefaults(1, GROUP, ["READ"]))
    await plant.device(3, revision=2, groups=[9])
    await plant.give(BERT, GROUP, 9, "GRANT")
    assert not await plant.has(BERT, "READ", DEVICE, 3)

    with pytest.raises(NotAuthorizedError):
        await plant.give(CARL, GROUP, 9, "READ", by=BERT)

    assert not await plant.has(CARL, "READ", DEVICE, 3)


async def test_a_device_does_not_enter_a_group_in_which_a_flag_lasts_longer(plant: Privileges) -> None:
    end = plant.clock.now + timedelta(hours=1)
    await plant.give(BERT, GROUP, 9, "MEMBERS", "OPERATE")
    await plant.give(BERT, DEVICE, 3, "GRANT", "OPERATE", ends_at=end)
    entry = AskEntry(BERT.account_key, 9, 3)

    assert await plant.services.group_missing(DEVICES, entry) == ["OPERATE"]

    await plant.give(BERT, GROUP, 9, "OPERATE", ends_at=end)
    assert await plant.services.group_missing(DEVICES, entry) == []


async def test_who_is_put_out_does_not_come_back_by_an_older_invitation(plant: Privileges) -> None:
    await plant.give(DORA, DEVICE, 3, "READ", is_visit=True, ends_at=plant.clock.now + timedelta(days=1))
    asked = await plant.members.invitation_create(ANNA, Invite(1, NAMES[DORA.account_key]))

    await plant.members.member_remove(ANNA, NameMember(1, DORA.account_key))

    with pytest.raises(NotFoundError):
        await plant.members.invitation_accept(DORA, NameInvitation(asked.invitation_key))
    assert (await plant.members.invitation_list(DORA, ListInvitations())).invitations == []


async def test_an_invitation_alone_can_be_ended_by_removing(plant: Privileges, postgres: Postgres) -> None:
    await plant.members.invitation_create(ANNA, Invite(1, NAMES[DORA.account_key]))

    await plant.members.member_remove(ANNA, NameMember(1, DORA.account_key))

    assert [tag for tag, _ in postgres.audited()][-1] == "membership.withdrawn"


async def test_whom_the_owner_puts_out_is_offered_the_project_no_more(plant: Privileges, postgres: Postgres) -> None:
    await plant.transfers.transfer_offer(ANNA, NameMember(1, NAMES[BERT.account_key]))

    await plant.members.member_remove(ANNA, NameMember(1, BERT.account_key))

    assert "ownership.withdrawn" in [tag for tag, _ in postgres.audited()]
    with pytest.raises(NotFoundError):
        await plant.transfers.transfer_accept(BERT, NameProject(1))
    assert plant.others.owners[1] == ANNA.account_key


async def test_nobody_but_the_owner_ends_an_offer_by_putting_the_heir_out(plant: Privileges) -> None:
    await plant.give(CARL, PROJECT, 1, "GRANT")
    await plant.transfers.transfer_offer(ANNA, NameMember(1, NAMES[BERT.account_key]))

    await plant.members.member_remove(CARL, NameMember(1, BERT.account_key))

    await plant.transfers.transfer_accept(BERT, NameProject(1))
    assert plant.others.owners[1] == BERT.account_key


async def test_under_a_lock_the_owner_gives_nothing_and_hands_nothing_over(plant: Privileges) -> None:
    await plant.transfers.transfer_offer(ANNA, NameMember(1, NAMES[BERT.account_key]))
    lock = await plant.locks.lock_create(ANNA, CreateLock(LockKind.PROJECT, "1"))

    with pytest.raises(NotAuthorizedError):
        await plant.grants.default_set(ANNA, SetDefaults(1, DEVICE, ["DEVELOP"]))
    with pytest.raises(NotAuthorizedError):
        await plant.transfers.transfer_offer(ANNA, NameMember(1, NAMES[CARL.account_key]))
    with pytest.raises(NotAuthorizedError):
        await plant.transfers.transfer_accept(BERT, NameProject(1))

    await plant.locks.lock_end(ANNA, EndLock(lock.lock_key))
    await plant.transfers.transfer_accept(BERT, NameProject(1))


async def test_nobody_fills_the_room_for_locks(plant: Privileges, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "MAX_OF_OTHERS", 2)
    monkeypatch.setattr(locking, "MAX_OF_ONE", 1)
    for key in (4, 5, 6):
        await plant.device(key)
    await plant.inventory.ensure_operator()  # Anna
    await plant.give(BERT, DEVICE, 3, "GRANT")
    await plant.give(BERT, DEVICE, 4, "GRANT")
    await plant.give(CARL, DEVICE, 4, "GRANT")
    await plant.give(CARL, DEVICE, 5, "GRANT")
    await plant.locks.lock_create(BERT, CreateLock(LockKind.DEVICE, "3"))

    with pytest.raises(OverLimitError):
        await plant.locks.lock_create(BERT, CreateLock(LockKind.DEVICE, "4"))
    await plant.locks.lock_create(CARL, CreateLock(LockKind.DEVICE, "4"))

    await plant.locks.lock_create(ANNA, CreateLock(LockKind.PERSON, "8"))  # whom nobody keeps from it


async def test_a_lock_ends_with_the_device_that_it_is_on(plant: Privileges, postgres: Postgres) -> None:
    await plant.locks.lock_create(ANNA, CreateLock(LockKind.DEVICE, "3"))

    await plant.services.asset_forget(DEVICES, ForgetAsset(DEVICE, 3))

    assert postgres.rows("SELECT * FROM privileges.lock") == []
    assert plant.news[-1]["changes"][0]["locks"]
    assert "lock.ended" in [tag for tag, _ in postgres.audited()]


async def test_a_lock_stays_on_a_device_that_goes_elsewhere(plant: Privileges, postgres: Postgres) -> None:
    await plant.locks.lock_create(ANNA, CreateLock(LockKind.DEVICE, "3"))
    await plant.project(2, DORA)

    await plant.device(3, project=2, revision=2)

    assert len(postgres.rows("SELECT * FROM privileges.lock")) == 1


async def test_a_stranger_is_told_the_same_whether_it_is_there_or_not(plant: Privileges) -> None:
    await plant.inventory.ensure_operator()
    asked = await plant.members.invitation_create(ANNA, Invite(1, NAMES[8]))
    await plant.transfers.transfer_offer(ANNA, NameMember(1, NAMES[BERT.account_key]))
    locks = [
        (await plant.locks.lock_create(ANNA, CreateLock(kind, key))).lock_key
        for kind, key in ((LockKind.DEVICE, "3"), (LockKind.PERSON, "7"), (LockKind.API_KEY, "k7"))
    ]

    async def told(procedure: Any, request: Any) -> tuple[str, str]:
        with pytest.raises(NotFoundError) as refused:
            await procedure(DORA, request)
        return refused.value.code, refused.value.message

    revoke, end = plant.members.invitation_revoke, plant.locks.lock_end
    assert await told(revoke, NameInvitation(asked.invitation_key)) == await told(revoke, NameInvitation(999))
    for lock_key in locks:
        assert await told(end, EndLock(lock_key)) == await told(end, EndLock(999))
    for procedure in (plant.transfers.transfer_accept, plant.transfers.transfer_withdraw):
        assert await told(procedure, NameProject(1)) == await told(procedure, NameProject(999))


async def test_a_word_that_is_told_twice_at_once_takes_nothing_of_the_new_project(
    plant: Privileges, postgres: Postgres
) -> None:
    await plant.project(2, DORA)
    word = PutAsset(DEVICE, 3, 2, 2, DORA.account_key)
    turn, is_first = plant.ledger.turn, True

    def slow(*arguments: Any, **more: Any) -> Any:
        nonlocal is_first
        was_first, is_first = is_first, False
        return _Slow(turn(*arguments, **more), plant, word) if was_first else turn(*arguments, **more)

    cast("Any", plant.ledger).turn = slow
    await plant.services.asset_put(DEVICES, word)  # read where the device was, before the same word came again

    assert postgres.rows("SELECT domain_key, revision FROM privileges.asset WHERE kind = 'device'") == [(2, 2)]
    gone = postgres.rows(
        "SELECT domain_key FROM privileges.change WHERE what = 'asset' AND kind = 'device' AND NOT is_on"
    )
    assert gone == [(1,)]
    taken = postgres.rows("SELECT * FROM privileges.change WHERE what = 'grant' AND NOT is_on AND domain_key = 1")
    assert taken == []


class _Slow:
    """A turn before which the same word is told by somebody else, and something is given by it."""

    def __init__(self, turn: Any, plant: Privileges, word: PutAsset) -> None:
        self._turn, self._plant, self._word = turn, plant, word

    async def __aenter__(self) -> Any:
        await self._plant.services.asset_put(DEVICES, self._word)
        await self._plant.member(BERT, 2, by=DORA)
        await self._plant.give(BERT, DEVICE, 3, "READ", by=DORA)
        return await self._turn.__aenter__()

    async def __aexit__(self, *error: object) -> Any:
        return await self._turn.__aexit__(*error)


async def test_a_late_word_does_not_bring_a_device_back(plant: Privileges, postgres: Postgres) -> None:
    await plant.project(2, DORA)
    await plant.device(3, project=2, revision=5)

    await plant.device(3, project=1, revision=2)

    assert postgres.rows("SELECT domain_key, revision FROM privileges.asset WHERE kind = 'device'") == [(2, 5)]


async def test_what_is_asked_about_others_where_one_has_nothing_reads_nothing(
    plant: Privileges, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    holdings_read = standings.holdings_read

    async def counted(connection: Any, account_key: int) -> Any:
        read.append(account_key)
        return await holdings_read(connection, account_key)

    monkeypatch.setattr("services.privileges.questions.holdings_read", counted)
    checks = [Check(DEVICE, 3, "READ", account) for account in range(100, 1_100)]

    answers = (await plant.questions.flag_check_many(DORA, CheckMany(checks))).answers

    assert not any(answer.allowed for answer in answers)
    assert read == [DORA.account_key]


async def test_assets_of_others_are_looked_for_only_where_the_asker_has_something(
    plant: Privileges, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plant.project(2, DORA)
    await plant.device(4, project=2)
    await plant.member(BERT, 2, by=DORA)
    await plant.give(BERT, DEVICE, 4, "READ", by=DORA)
    await plant.give(BERT, DEVICE, 3, "READ")
    await plant.device(5)
    await plant.grants.default_set(ANNA, SetDefaults(1, DEVICE, ["READ"]))
    looked: list[int] = []
    place_list_in = domains.place_list_in

    async def counted(*arguments: Any, **more: Any) -> Any:
        found = await place_list_in(*arguments, **more)
        looked.extend(place.key for place in found)
        return found

    monkeypatch.setattr(domains, "place_list_in", counted)

    page = await plant.questions.asset_list(DORA, ListAssets(DEVICE, "READ", BERT.account_key))

    assert page.keys == looked == [4]


async def test_what_was_in_a_project_that_is_gone_is_nobodys(plant: Privileges) -> None:
    await plant.give(BERT, DEVICE, 3, "READ")
    before = plant.clock.now
    plant.clock.turn(hours=1)
    await plant.services.domain_forget(REALMS, ForgetDomain("project", 1))
    after = plant.clock.turn(hours=1)
    plant.clock.turn(hours=1)

    assert await plant.has(BERT, "READ", DEVICE, 3, at=before)
    assert not await plant.has(BERT, "READ", DEVICE, 3, at=after)


async def test_who_could_run_the_installation_is_known_later(plant: Privileges) -> None:
    await plant.inventory.ensure_operator()
    then = plant.clock.now
    plant.clock.turn(hours=1)

    assert await plant.has(ANNA, "LOCK", INSTALLATION, 1, at=then)
    assert not await plant.has(BERT, "LOCK", INSTALLATION, 1, at=then)


async def test_under_a_lock_the_owner_can_still_put_out_who_sets_it_again_and_again(plant: Privileges) -> None:
    await plant.give(BERT, PROJECT, 1, "GRANT")
    await plant.give(CARL, PROJECT, 1, "GRANT", "READ")
    await plant.give(CARL, DEVICE, 3, "READ")
    asked = await plant.members.invitation_create(BERT, Invite(1, NAMES[DORA.account_key]))
    await plant.grants.default_set(ANNA, SetDefaults(1, DEVICE, ["READ"]))
    await plant.locks.lock_create(BERT, CreateLock(LockKind.PROJECT, "1"))

    with pytest.raises(NotAuthorizedError):
        await plant.members.member_remove(CARL, NameMember(1, BERT.account_key))
    await plant.grants.grant_take(ANNA, TakeFlags(CARL.account_key, DEVICE, 3, ["READ"]))
    await plant.grants.default_unset(ANNA, UnsetDefaults(1, DEVICE))
    await plant.members.invitation_revoke(ANNA, NameInvitation(asked.invitation_key))
    await plant.members.member_remove(ANNA, NameMember(1, BERT.account_key))

    with pytest.raises(NotFoundError):
        await plant.locks.lock_create(BERT, CreateLock(LockKind.DEVICE, "3"))


async def test_a_lock_after_one_that_ended_is_another_one(plant: Privileges) -> None:
    end = plant.clock.now + timedelta(minutes=1)
    first = await plant.locks.lock_create(ANNA, CreateLock(LockKind.DEVICE, "3", end))
    plant.clock.turn(minutes=2)

    second = await plant.locks.lock_create(ANNA, CreateLock(LockKind.DEVICE, "3"))

    assert second.lock_key != first.lock_key
    with pytest.raises(NotFoundError):
        await plant.locks.lock_end(ANNA, EndLock(first.lock_key))


async def test_locks_are_listed_for_whoever_set_them_or_may_end_them(plant: Privileges) -> None:
    await plant.inventory.ensure_operator()
    await plant.device(4)
    await plant.give(BERT, DEVICE, 3, "GRANT")
    own = await plant.locks.lock_create(BERT, CreateLock(LockKind.DEVICE, "3"))
    others = await plant.locks.lock_create(ANNA, CreateLock(LockKind.DEVICE, "4"))
    key = await plant.locks.lock_create(CARL, CreateLock(LockKind.API_KEY, "k7"))

    async def listed(person: Person) -> list[int]:
        return [lock.lock_key for lock in (await plant.locks.lock_list(person, NoArguments())).locks]

    assert await listed(ANNA) == [own.lock_key, others.lock_key, key.lock_key]
    assert await listed(BERT) == [own.lock_key]
    assert await listed(CARL) == [key.lock_key]
    assert await listed(DORA) == []


async def test_nobody_is_erased_who_is_about_to_own(plant: Privileges) -> None:
    await plant.transfers.transfer_offer(ANNA, NameMember(1, NAMES[BERT.account_key]))
    assert await plant.services.domain_owned(AUTH, AccountKey(BERT.account_key)) == []
    plant.others.refuses["ironflock.realms.project.set_owner"] = AWAY

    with pytest.raises(UnavailableError):
        await plant.transfers.transfer_accept(BERT, NameProject(1))

    owned = await plant.services.domain_owned(AUTH, AccountKey(BERT.account_key))
    assert owned == [{"kind": "project", "key": 1}]
