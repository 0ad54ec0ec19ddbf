"""Lock files are read, and compared."""

from hypothesis import given
from hypothesis import strategies as st

from deploy.supply_chain.__main__ import LOCKS
from deploy.supply_chain.locks import Change, changes, pins, pins_in

LOCK = """\
Some_Package==1.0 ; sys_platform == 'linux' \\
    --hash=sha256:00 \\
    --hash=sha256:11
    # via other==2
other[more,yet-more]==2.0.post1 \\
    --hash=sha256:22
"""


def test_a_lock_file_is_read_by_normalised_names() -> None:
    assert pins(LOCK) == {("some-package", "1.0"), ("other", "2.0.post1")}


def test_our_own_are_read_whole() -> None:
    for path in LOCKS.glob("*.txt"):
        text = path.read_text(encoding="utf-8")
        assert len(pins(text)) == sum(not line.startswith((" ", "#")) and "==" in line for line in text.splitlines())
    found = pins_in(sorted(LOCKS.glob("*.txt")))
    assert {"runtime"} in [set(where) for (name, _), where in found.items() if name == "crossbar"]


PINS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["1", "2"]))


@given(PINS, PINS)
def test_changes_lead_from_one_to_the_other(before: dict[str, str], after: dict[str, str]) -> None:
    found = changes(before.items(), after.items())

    assert {**before, **{change.name: change.after for change in found}} == {
        **dict.fromkeys(before.keys() - after.keys()),
        **after,
    }
    assert changes(before.items(), before.items()) == []
    assert changes([], [("a", "2"), ("a", "1")]) == [Change("a", None, "1, 2")]
