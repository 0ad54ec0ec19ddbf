"""What is accepted, by whom it is needed, and until when."""

from datetime import date
from pathlib import Path

import msgspec
import pytest

from deploy.supply_chain import accepted
from deploy.supply_chain.__main__ import HERE
from deploy.supply_chain.accepted import Accepted, judge
from deploy.supply_chain.advisories import Finding

FINDING = Finding("h2", "4.2.0", "GHSA-1", ("CVE-1",), "", ())
BY_ALIAS = Accepted("CVE-1", "h2", "Crossbar pins it", date(2027, 1, 1))


def test_one_that_is_accepted_counts_again_on_its_day() -> None:
    before, then = (judge([FINDING], [BY_ALIAS], day) for day in (date(2026, 12, 31), date(2027, 1, 1)))

    assert (before.open, before.accepted, before.stale) == ([], [FINDING], [])
    assert (then.open, then.accepted, then.stale) == ([FINDING], [], [BY_ALIAS])


def test_one_of_another_package_accepts_nothing_and_is_named_as_stale() -> None:
    other = Accepted("GHSA-1", "h11", "", date(2027, 1, 1))

    judged = judge([FINDING], [other], date(2026, 12, 1))

    assert (judged.open, judged.stale) == ([FINDING], [other])


def test_ours_can_be_read_and_a_mistake_accepts_nothing(tmp_path: Path) -> None:
    assert isinstance(accepted.read(HERE / "accepted.toml"), list)
    file = tmp_path / "accepted.toml"
    file.write_text('[[accepted]]\nadvisory = "GHSA-1"\npackage = "h2"\nreason = "for ever"\n')

    with pytest.raises(msgspec.ValidationError):
        accepted.read(file)
