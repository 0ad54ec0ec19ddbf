"""How far a credential reaches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidArgumentError
from shared.scopes import EVERYTHING, MAX_SCOPES, NOTHING, Scope, Scopes, parse_scopes, scopes_of

keys = st.integers(1, 4)
scope = st.one_of(
    st.sampled_from([Scope("all"), Scope("read")]),
    st.builds(Scope, st.sampled_from(["all", "read"]), st.sampled_from(["project", "device"]), keys),
)
some = st.builds(Scopes, st.frozensets(scope, max_size=4))


@given(st.frozensets(scope, min_size=1, max_size=6))
def test_what_is_written_is_read_as_the_same(parts: frozenset[Scope]) -> None:
    assert parse_scopes(Scopes(parts).texts) == scopes_of(Scopes(parts).texts) == Scopes(parts)


@pytest.mark.parametrize(
    "text",
    [
        "", "*", "ALL", "all ", " all", "all@", "all@project", "all@project/", "all@project/0", "all@project/03",
        "all@project/x", "all@project/-1", "all@project/1/2", "write", "read@realm/3", "all@project/3\n",
        "read@device/" + "9" * 17, "all@project/\u0663", "all,read", "all\0",
    ],
)  # fmt: skip
def test_nothing_else_is_a_scope(text: str) -> None:
    with pytest.raises(InvalidArgumentError):
        parse_scopes([text])
    with pytest.raises(InvalidArgumentError):
        parse_scopes(["all", text])
    assert scopes_of([text]) == NOTHING


@pytest.mark.parametrize("texts", [[], [f"all@project/{key}" for key in range(1, MAX_SCOPES + 2)]])
def test_there_is_one_at_least_and_some_at_most(texts: list[str]) -> None:
    with pytest.raises(InvalidArgumentError):
        parse_scopes(texts)


@given(some, keys, keys, st.booleans())
def test_a_place_is_reached_by_one_that_names_it_or_that_is_not_narrowed(
    scopes: Scopes, project: int, device: int, changes: bool
) -> None:
    usable = scopes.usable(changes=changes)
    texts = {text for text in scopes.texts if text.startswith("all") or not changes}

    assert set(usable.texts) == texts
    ways = {f"{access}{place}" for access in ("all", "read") for place in ("", f"@project/{project}")}
    assert usable.reaches(project) == bool(texts & ways)
    ways |= {f"{access}@device/{device}" for access in ("all", "read")}
    assert usable.reaches(project, device) == bool(texts & ways)


@given(some, some, keys, keys, st.booleans())
def test_what_covers_another_reaches_wherever_that_does(
    wide: Scopes, narrow: Scopes, project: int, device: int, changes: bool
) -> None:
    if not wide.covers(narrow):
        assert narrow.parts
        return

    reached = narrow.usable(changes=changes).reaches(project, device)
    assert not reached or wide.usable(changes=changes).reaches(project, device)


@given(some)
def test_everything_covers_all_and_nothing_covers_nothing(scopes: Scopes) -> None:
    assert EVERYTHING.covers(scopes)
    assert scopes.covers(scopes)
    assert NOTHING.covers(scopes) == (scopes == NOTHING)
