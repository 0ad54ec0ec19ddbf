"""Where an installation in Kubernetes is, out of what is applied there."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.flockctl.endpoints import find_endpoints
from deploy.installation.__main__ import main
from deploy.installation.endpoints import ManifestsError, documents, endpoints
from tests.harness.go_programs import NoProgramError
from tests.harness.kubernetes import composed_text, rendered_text


@pytest.fixture
def text() -> Callable[[str], str]:
    def make(overlay: str) -> str:
        try:
            return rendered_text(overlay)
        except NoProgramError as error:
            pytest.skip(str(error))

    return make


FOUND = {
    "one-node": ("wss://devices.ironflock.example:8443/ws-usr", 8456, "https://audit.ironflock.example:8452/audit"),
    "scale-out": ("wss://devices.ironflock.example/ws-usr", 5432, "https://audit.ironflock.example/audit"),
}


@pytest.mark.parametrize("overlay", FOUND)
def test_flockctl_finds_what_is_applied(
    text: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overlay: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text(overlay)))

    assert main([str(tmp_path / "safe"), "--endpoints"]) == 0

    found, (people, port, audit) = find_endpoints(tmp_path / "safe", {}, tmp_path), FOUND[overlay]
    assert (found.people, found.sql, found.audit) == (people, ("sql.ironflock.example", port), audit)
    assert found.ca == tmp_path / "safe" / "ca.pem"
    assert found.owner_api_key is not None
    assert found.owner_api_key.exists()


def test_behind_one_address_the_log_is_at_443(tmp_path: Path) -> None:
    try:
        applied = composed_text("components/postgres", "site", "components/tls-passthrough")
    except NoProgramError as error:
        pytest.skip(str(error))

    assert endpoints(documents(applied), tmp_path, tmp_path)["audit"] == "https://audit.ironflock.example/audit"


@pytest.mark.parametrize("said", ["", "kind: Service\nmetadata: {name: x}\n", "- a list\n", "\t:"])
def test_what_is_no_overlay_of_ours_is_refused(said: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestsError):
        endpoints(documents(said), tmp_path, tmp_path)


def test_a_refusal_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"kind": "ConfigMap", "metadata": {"name": "other"}})))

    assert main([str(tmp_path / "safe"), "--endpoints"]) == 1

    assert "site" in capsys.readouterr().err
    assert not (tmp_path / "safe" / "endpoints.json").exists()
