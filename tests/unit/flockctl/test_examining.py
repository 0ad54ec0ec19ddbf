"""What a doctor found elsewhere is read as it was written; what it did not see is said, and is evidence of nothing."""

import json
from pathlib import Path

import pytest
from attrs import evolve

from deploy.flockctl.compliance.looking import looked_at
from deploy.flockctl.compliance.records import LogHead
from deploy.flockctl.doctor.checks import CHECKS, diagnose
from deploy.flockctl.doctor.text import as_text
from deploy.flockctl.doctor.within import REMEDIES, UNSEEN
from deploy.flockctl.errors import CommandError
from deploy.flockctl.examining import examined, payload, read_examined
from tests.unit.flockctl.test_doctor import WELL, with_database

WITHIN = evolve(WELL, unseen=UNSEEN, remedies=REMEDIES)
WORDS = {code for code in UNSEEN if " " in code}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    found = examined(evolve(WITHIN, database=None, database_problem="refused"), CHECKS, LogHead(7, "cm9vdA==", "note"))
    (tmp_path / "doctor.json").write_text(json.dumps(payload(found)))

    assert read_examined(tmp_path / "doctor.json") == found
    assert [each.code for each in found.findings] == ["database_away"]


@pytest.mark.parametrize("text", ["", "[]", '{"well": true}', "scheduled: no\n"])
def test_anything_else_is_refused_by_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "doctor.json").write_text(text)

    with pytest.raises(CommandError) as refused:
        read_examined(tmp_path / "doctor.json")

    assert refused.value.code == "unreadable_findings"


def test_what_cannot_be_seen_is_said_and_neither_judged_nor_evidence() -> None:
    faulty = evolve(WITHIN, outdated=("auth",), renewal_problem="no space")

    found = examined(faulty, CHECKS, None)

    assert found.findings == ()
    assert found.checked == len(CHECKS) - len(UNSEEN.keys() - WORDS)
    assert not looked_at(faulty, CHECKS) & UNSEEN.keys()
    told = as_text(found.findings, found.checked, found.unseen)
    assert all(f"not looked at: {what}, because {why}" in told for what, why in UNSEEN.items())


def test_each_check_that_cannot_be_made_and_each_other_remedy_is_of_a_check() -> None:
    codes = {check.code for check in CHECKS}

    assert UNSEEN.keys() - WORDS <= codes
    assert REMEDIES.keys() <= codes - UNSEEN.keys()


def test_in_a_cluster_nobody_is_told_of_make_and_of_a_state_folder() -> None:
    """Remedies of one machine lead nowhere there."""
    said = {check.code: REMEDIES.get(check.code, check.remedy) for check in CHECKS if check.code not in UNSEEN}
    never = ("make ", "log/", "the launcher", "make up", "timer", "deploy/operator")

    of_files = {"certificate_key_differs"}  # whoever shows a certificate has its key
    assert {code for code, text in said.items() if any(word in text for word in never)} <= of_files


def test_a_finding_within_a_cluster_says_what_to_do_there() -> None:
    [finding] = diagnose(evolve(with_database(held_wal_octets=9 * 2**30), remedies=REMEDIES), CHECKS)

    assert finding.remedy == REMEDIES["wal_kept"]
