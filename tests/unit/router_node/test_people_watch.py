"""People's sessions end where auth has not been heard for a minute."""

from ironflock_router.hearing import Hearing
from ironflock_router.people_watch import CREDENTIAL_UNKNOWN, PeopleWatch
from tests.unit.router_node.test_expiry import Session


def test_they_end_once_after_a_minute_of_silence_and_not_before() -> None:
    now = [0.0]
    told = Hearing(lambda: now[0])
    people, person, gone = PeopleWatch(told, lambda: now[0]), Session(), Session()
    for session in (person, gone):
        people.joined(session)
    people.left(gone)
    now[0] = 10.0
    told.follow(silent_s=0.0)

    for now[0] in (69.0, 70.0, 70.1, 71.0):
        people.look()
        assert person.left == ([CREDENTIAL_UNKNOWN] if now[0] > 70 else [])
    assert gone.left == []


def test_whom_auth_has_just_let_in_stays_until_it_is_heard_again() -> None:
    now = [0.0]
    told = Hearing(lambda: now[0])
    people, person = PeopleWatch(told, lambda: now[0]), Session()
    told.follow(silent_s=0.0)
    now[0] = 100.0
    people.joined(person)

    for now[0] in (100.0, 160.0):
        people.look()
        assert person.left == []
    told.follow(silent_s=0.0)
    now[0] = 161.0
    people.look()

    assert person.left == []


def test_an_auth_that_never_says_it_ends_nobody() -> None:
    now = [0.0]
    people, person = PeopleWatch(Hearing(lambda: now[0]), lambda: now[0]), Session()
    people.joined(person)

    now[0] = 1e6
    people.look()

    assert person.left == []
