"""checkov finds nothing in what an overlay applies; its rules are others than ours."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.harness.go_programs import NoProgramError
from tests.harness.kubernetes import overlays, rendered_text

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]
RULES = 50


@pytest.mark.parametrize("overlay", overlays())
def test_checkov_finds_nothing(overlay: str, tmp_path: Path) -> None:
    checkov = shutil.which("checkov")
    if checkov is None:
        pytest.skip("there is no checkov on the path (in an environment of its own: pip install checkov)")
    try:
        (tmp_path / "all.yaml").write_text(rendered_text(overlay), encoding="utf-8")
    except NoProgramError as error:
        pytest.skip(str(error))
    command = [checkov, "--file", str(tmp_path / "all.yaml"), "--framework", "kubernetes", "--output", "json"]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    results = json.loads(done.stdout)["results"]
    assert [(each["check_id"], each["resource"]) for each in results["failed_checks"]] == []
    assert len({each["check_id"] for each in results["passed_checks"]}) > RULES
