"""The description against the running platform, by a tool that nobody here wrote: Schemathesis, in its own environment."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.harness.accounts import Stranger
from tests.harness.rest import BASE, RestClient
from tests.harness.running import RunningPlatform

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
SCHEMATHESIS = ROOT / ".venv-rest" / "bin" / "schemathesis"
EXAMPLES = 8
SEED = 20_261_129


@pytest.fixture(name="settings")
def fixture_settings(tmp_path: Path) -> Path:
    """Keys of things that exist, so that more than refusals is seen."""
    return tmp_path


@pytest.mark.skipif(not SCHEMATHESIS.exists(), reason="`make test` makes its environment: .venv-rest")
@pytest.mark.timeout(170)
def test_no_answer_breaks_the_description(ironflock: RunningPlatform, stranger: Stranger, tmp_path: Path) -> None:
    theirs = RestClient(ironflock, stranger.account.api_key)
    project = theirs.ask("POST", "/swarms", {"name": "plant"}).json["project_key"]
    device = theirs.ask("POST", f"/swarms/{project}/devices", {"name": "press"}).json["device_key"]
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(f"[parameters]\n'path.swarm_key' = {project}\n'path.device_key' = {device}\n")

    done = subprocess.run(
        [
            SCHEMATHESIS, "--config-file", configuration, "run", f"https://localhost:{ironflock.ports.gateway}{BASE}/openapi.json",
            "--header", f"Authorization: Bearer {stranger.account.api_key}",
            "--tls-verify", ironflock.state.ca_certificate,
            "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", str(SEED),
            "--checks", "all", "--continue-on-failure", "--no-color", "--workers", "2",
        ],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=160,
        check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2_000:]
