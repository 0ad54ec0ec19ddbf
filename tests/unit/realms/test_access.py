"""Which requests stand, once an app's releases in a project have changed."""

from hypothesis import given
from hypothesis import strategies as st

from services.realms.records.installs import Access, Request
from services.realms.rules.access import changes

providers = st.sampled_from(["a", "b", "c", "d", "*"])
standing = st.dictionaries(providers, st.booleans()).map(
    lambda known: [Access(1, 2, "app", name, "", granted, None) for name, granted in known.items()]
)
wanted = st.lists(st.builds(Request, providers, st.just("because")), max_size=8)


@given(standing, wanted)
def test_afterwards_what_is_wanted_stands_and_what_was_granted(known: list[Access], asked: list[Request]) -> None:
    found = changes(known, asked)
    granted = {each.provider for each in known if each.is_granted}

    after = {each.provider for each in known} - set(found.go) | {each.provider for each in found.come}

    assert after == {each.provider for each in asked} | granted
    assert not granted & set(found.go)
    assert len({each.provider for each in found.come}) == len(found.come)
    assert not {each.provider for each in found.come} & {each.provider for each in known}


@given(standing, wanted)
def test_what_stands_already_is_left_be(known: list[Access], asked: list[Request]) -> None:
    found = changes(known, asked)
    names = [each.provider for each in known if each.provider not in found.go]
    stands = [Access(1, 2, "app", name, "", is_granted=False, granted_at=None) for name in names]
    stands += [Access(1, 2, "app", each.provider, "", is_granted=False, granted_at=None) for each in found.come]
    granted = {each.provider for each in known if each.is_granted}

    again = changes(stands, asked)

    assert again.come == ()
    assert set(again.go) <= granted
