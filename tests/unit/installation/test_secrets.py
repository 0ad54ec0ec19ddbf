"""The secrets of an installation: made once, each for whom it is."""

import base64
import json
import stat
from pathlib import Path

import pytest

from deploy.installation.__main__ import main
from deploy.installation.secrets import MAKERS, NODES, ensure_secrets, handed, manifests, with_nodes
from deploy.local.processes import SERVICES
from services.tunnels.rules.nodes import fleet_of


def test_what_is_there_is_kept_and_what_is_missing_is_made(tmp_path: Path) -> None:
    first = ensure_secrets(tmp_path / "safe")
    (tmp_path / "safe" / "bus" / "svc_auth").unlink()

    second = ensure_secrets(tmp_path / "safe")

    assert {path for path in first if first[path] != second[path]} == {"bus/svc_auth"}
    assert len(set(second.values())) == len(MAKERS)


def test_a_folder_of_the_release_before_gets_the_secret_that_is_new_and_keeps_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "safe"
    before = ensure_secrets(folder)
    (folder / "person-keys").unlink()

    assert main([str(folder), "--kubernetes", "plant", "--new", "person-keys"]) == 0

    printed = {each["metadata"]["name"]: each["data"] for each in json.loads(capsys.readouterr().out)["items"]}
    after = {path: (folder / path).read_text().strip() for path in MAKERS}
    assert {path for path in after if after[path] != before[path]} == {"person-keys"}
    assert base64.b64decode(printed["auth"]["person-keys"]).decode() == after["person-keys"]
    assert base64.b64decode(printed["auth"]["master-keys"]).decode() == before["master-keys/auth"]


@pytest.mark.parametrize("path", ["person-keys", "master-keys/auth", "master-keys/tunnels"])
def test_what_data_were_sealed_by_is_never_made_anew_silently(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    folder = tmp_path / "safe"
    ensure_secrets(folder)
    (folder / path).unlink()
    (folder / "owner-api-key").unlink()

    assert main([str(folder)]) == 1

    assert f"--new {path}" in capsys.readouterr().err
    assert not (folder / path).exists()
    assert not (folder / "owner-api-key").exists()


def test_nobody_else_can_read_them(tmp_path: Path) -> None:
    ensure_secrets(tmp_path / "safe")

    modes = {stat.S_IMODE(each.stat().st_mode) for each in (tmp_path / "safe").rglob("*") if each.is_file()}
    assert (modes, stat.S_IMODE((tmp_path / "safe").stat().st_mode)) == ({0o600}, 0o700)


def test_each_secret_is_handed_to_somebody_and_a_service_gets_its_own_alone() -> None:
    given = {each.name: set(each.files.values()) for each in handed()}

    assert set().union(*given.values()) == MAKERS.keys() | {"frps/frps-0", "frps/frps-1"}
    for name in SERVICES:
        for other in set(SERVICES) - {name}:
            assert not given[name] & given[other]
    assert given["router"] == {f"bus/svc_{name}" for name in SERVICES}
    assert {name for name, files in given.items() if "database/postgres" in files} == {"postgres-superuser"}


def test_tunnels_knows_the_nodes_that_are_handed_a_secret(tmp_path: Path) -> None:
    found = with_nodes(ensure_secrets(tmp_path / "safe"))

    nodes = fleet_of(found["frps-nodes"]).nodes
    assert {each.name: each.secret for each in nodes} == {name: found[f"frps/{name}"] for name in NODES}


def test_kubernetes_is_told_what_lies_in_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "safe"), "--kubernetes", "plant"]) == 0

    printed = json.loads(capsys.readouterr().out)
    assert printed["items"] == manifests(ensure_secrets(tmp_path / "safe"), "plant")
    assert {each["metadata"]["namespace"] for each in printed["items"]} == {"plant"}


def test_without_kubernetes_no_value_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(tmp_path / "safe")])

    said = capsys.readouterr().out
    assert not [value for value in ensure_secrets(tmp_path / "safe").values() if value in said]
