"""The three commands, from their arguments to their exit statuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.supply_chain.__main__ import LOCKS, app
from deploy.supply_chain.locks import pins


def run(*words: str) -> Any:
    return CliRunner().invoke(app, words, env={"COLUMNS": "300"})


@pytest.fixture(name="database")
def fixture_database(tmp_path: Path) -> Path:
    """Knows of a fault in the router that we pin."""
    version = dict(pins((LOCKS / "runtime.txt").read_text(encoding="utf-8")))["crossbar"]
    affected = [{"package": {"ecosystem": "PyPI", "name": "crossbar"}, "versions": [version]}]
    (tmp_path / "PYSEC-1.json").write_text(json.dumps({"id": "PYSEC-1", "summary": "breaks", "affected": affected}))
    return tmp_path


def test_an_advisory_that_counts_is_shown_and_fails(database: Path) -> None:
    shown, as_json = run("audit", "--database", str(database)), run("audit", "--database", str(database), "--json")

    assert shown.exit_code == as_json.exit_code == 1
    assert "PYSEC-1" in shown.stdout
    assert [found["advisory"] for found in json.loads(as_json.stdout)["open"]] == ["PYSEC-1"]


def test_nothing_known_is_well_and_no_database_is_not(tmp_path: Path) -> None:
    (tmp_path / "PYSEC-2.json").write_text("{}")

    assert run("audit", "--database", str(tmp_path)).exit_code == 0
    assert run("audit", "--database", str(tmp_path / "absent")).exit_code == 2


def test_licences_are_listed() -> None:
    shown = run("licences")

    assert shown.exit_code == 0
    assert "EUPL-1.2" in shown.stdout


def test_what_an_update_changes_is_shown(tmp_path: Path) -> None:
    (tmp_path / "runtime.txt").write_text("crossbar==1.0\n")

    assert "crossbar" in run("changes", str(tmp_path)).stdout
    assert "no package changed" in run("changes", str(LOCKS)).stdout
