"""The description against the running platform, by a tool that nobody here wrote: Schemathesis."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.harness.accounts import Stranger
from tests.harness.rest import BASE, RestClient
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
SCHEMATHESIS = ROOT / ".venv-rest" / "bin" / "schemathesis"
EXAMPLES = 10
SEED = 20_261_129
IMAGE = f"registry.example.com/press-monitor@sha256:{'0' * 64}"
# What the schemas cannot say (a cursor is one of ours, a name is new) is 422 or 409, and limits have their own answers;
# a body of the described shape is never malformed.
CONFIGURATION = """\
[parameters]
"path.swarm_key" = {project}
"path.device_key" = {device}
"path.entry_id" = {entry}
"path.app_key" = {app}

[checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 404, 409, 422, 429]

[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 406, 409, 413, 415, 422, 429]
"""


def configuration(theirs: RestClient, file: Path) -> Path:
    """A file that names things that exist, so that more than refusals is seen."""
    project = theirs.ask("POST", "/swarms", {"name": "plant"}).json["project_key"]
    device = theirs.ask("POST", f"/swarms/{project}/devices", {"name": "press"}).json["device_key"]
    entries = f"/audit/entries?project={project}"
    app = theirs.ask("POST", "/apps", {"name": f"press-monitor-{project}"}).json["app_key"]
    assert theirs.ask("POST", f"/apps/{app}/releases", {"version": "1.4.0", "image": IMAGE}).status == 201
    [entry, *_] = wait_until(lambda: theirs.ask("GET", entries).json["entries"], 30, "the entries are in the log")
    file.write_text(CONFIGURATION.format(project=project, device=device, app=app, entry=entry["id"]), encoding="utf-8")
    return file


@pytest.mark.skipif(not SCHEMATHESIS.exists(), reason="`make test` makes its environment: .venv-rest")
@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_no_answer_breaks_the_description(ironflock: RunningPlatform, stranger: Stranger, tmp_path: Path) -> None:
    theirs = RestClient(ironflock, stranger.account.api_key)
    where = f"https://localhost:{ironflock.ports.gateway}{BASE}/openapi.json"

    done = subprocess.run(
        [
            SCHEMATHESIS, "--config-file", configuration(theirs, tmp_path / "schemathesis.toml"), "run", where,
            "--header", f"Authorization: Bearer {stranger.account.api_key}",
            "--tls-verify", ironflock.state.ca_certificate,
            "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", str(SEED),
            "--checks", "all", "--continue-on-failure", "--no-color", "--workers", "1",
        ],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=1490,
        check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
