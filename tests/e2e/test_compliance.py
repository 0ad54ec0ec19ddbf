"""`flockctl compliance report` on a running platform."""

import json

import pytest

from deploy.flockctl.compliance.sources import digest
from deploy.local.state import REPOSITORY
from tests.harness.commands import Flockctl
from tests.harness.oscal import TRESTLE, refusals
from tests.harness.running import RunningPlatform

pytestmark = pytest.mark.real

RESULTS = """<testsuites><testsuite timestamp="2026-11-30T09:00:00">
<properties><property name="ironflock.sources" value="{}" /></properties>
<testcase classname="tests.security.test_listeners" name="test_1" /></testsuite></testsuites>"""


@pytest.mark.usefixtures("ironflock")
def test_a_report_says_what_was_seen_and_what_was_not(flockctl: Flockctl, ironflock: RunningPlatform) -> None:
    (flockctl.folder / "results.xml").write_text(RESULTS.format(digest(REPOSITORY)))

    ended = flockctl.run("compliance", "report", "--tests", "results.xml", "--out", "controls")

    report = json.loads(ended.out)
    assert report["log_head"]["root"] in report["log_head"]["note"]
    by_name = {(each["framework"][:3], each["control"]): each["status"] for each in report["controls"]}
    assert by_name["SOC", "CC6.7"] == "shown"  # TLS on every listener, seen by doctor and by the test
    assert by_name["SOC", "CC6.2"] == "unseen"  # its test did not run
    assert by_name["ISO", "A.8.13"] == "failed"  # nobody has made a backup of it
    assert by_name["GDP", "Art. 18"] == "gap"
    assert by_name["GDP", "Art. 33"] == "elsewhere"
    assert ended.status == 1
    page = (flockctl.folder / "controls" / "report.html").read_text(encoding="utf-8")
    oscal = (flockctl.folder / "controls" / "report.oscal.json").read_text(encoding="utf-8")
    assert report["log_head"]["root"] in page
    if TRESTLE.exists():
        assert refusals(flockctl.folder / "controls" / "report.oscal.json") == [""]
    for secret in (ironflock.owner_key, ironflock.secret("database/svc_auth")):
        assert secret not in page + oscal + ended.out + ended.err
