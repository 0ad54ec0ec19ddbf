"""`flockctl realm` and `backend` against a router that plays the platform: it takes what the service takes."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from services.realms.records import backends, projects
from services.realms.records.values import Stage
from shared.procedures import plain
from tests.integration.flockctl.command_line import API_KEY, CommandLine, heard
from tests.integration.flockctl.fake_router import FakeRouter
from tests.integration.flockctl.test_app_commands import answering, uri

REALM: Final = backends.Realm("realm-3-4-prod", 4, "press\x1b[31m", Stage.PROD, "ready", 2)
ROTATED: Final = backends.Rotated(9, 3)
PROCEDURES: Final[dict[str, tuple[type[Any], Any]]] = {
    "realm.list": (projects.NameProject, backends.RealmList([REALM])),
    "backend.rotate": (backends.NameBackend, ROTATED),
}


@pytest.fixture(autouse=True)
def _knowing(router: FakeRouter) -> None:
    for name, (payload, answer) in PROCEDURES.items():
        router.script.procedures[uri(name)] = answering(payload, answer)


def test_the_realms_of_a_project_are_listed(router: FakeRouter, flockctl: CommandLine) -> None:
    listed = flockctl("realm", "list", "--project", "plant")

    assert listed.out.splitlines()[0].split() == ["REALM", "KEY", "APP", "STAGE", "BACKEND", "LOGIN"]
    assert "realm-3-4-prod" in listed.out
    assert "\x1b" not in listed.out
    assert flockctl("realm", "list", "--project", "3", "--json").json == {"realms": [plain(REALM)]}
    assert heard(router, uri("realm.list")) == [{"project": "plant"}, {"project": 3}]


def test_a_backend_is_rotated(router: FakeRouter, flockctl: CommandLine) -> None:
    ended = flockctl("backend", "rotate", "press", "--project", "plant", "--stage", "prod", "--json")

    assert ended.json == {"rotated": plain(ROTATED)}
    assert heard(router, uri("backend.rotate")) == [{"project": "plant", "app": "press", "stage": "PROD"}]


@pytest.mark.parametrize("words", [["--project", "plant"], ["--stage", "prod"], ["--project", "plant", "--stage", "x"]])
def test_a_backend_is_named_whole_or_nothing_is_sent(
    router: FakeRouter, flockctl: CommandLine, words: list[str]
) -> None:
    assert flockctl("backend", "rotate", "press", *words, "--json").status in (1, 2)

    assert router.script.sessions == []


def psql(folder: Path) -> dict[str, str]:
    """An environment in which psql is a program that tells its words and what it was told."""
    folder.mkdir()
    program = folder / "psql"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nenv | grep ^PG | sort\n')
    program.chmod(0o700)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def with_sql(flockctl: CommandLine) -> CommandLine:
    """On a platform that says where its SQL is."""
    file = flockctl.state / "endpoints.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "sql": {"host": "localhost", "port": 8456}}))
    return flockctl


PSQL: Final = ("backend", "psql", "4", "--project", "plant", "--stage", "prod")


def test_psql_is_told_where_the_backend_is_and_the_key_is_no_word_of_its_command(
    router: FakeRouter, flockctl: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", psql(tmp_path / "bin")["PATH"])

    ended = with_sql(flockctl)(*PSQL, "-c", "SELECT 1", "-c", "SELECT 2")

    ca = json.loads((flockctl.state / "endpoints.json").read_text())["ca_file"]
    assert ended.status == 0, ended.err
    assert ended.out.splitlines() == [
        "--command", "SELECT 1", "--command", "SELECT 2",
        "PGCONNECT_TIMEOUT=10", "PGDATABASE=realm-3-4-prod", "PGHOST=localhost", f"PGPASSWORD={API_KEY}", "PGPORT=8456",
        "PGSSLMODE=verify-full", f"PGSSLROOTCERT={ca}", "PGUSER=flockctl",
    ]  # fmt: skip
    assert heard(router, uri("realm.list")) == [{"project": "plant"}]


def test_without_psql_it_says_so(flockctl: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    ended = with_sql(flockctl)(*PSQL, "--json")

    assert ended.error["code"] == "not_supported"
    assert "psql is not installed" in ended.error["message"]


def test_an_older_platform_has_no_sql(router: FakeRouter, flockctl: CommandLine) -> None:
    assert flockctl(*PSQL, "--json").error["code"] == "not_supported"
    assert router.script.sessions == []


@pytest.mark.parametrize("words", [("saw", "prod"), ("4", "dev")])
def test_what_is_not_installed_is_not_found(flockctl: CommandLine, words: tuple[str, str]) -> None:
    app, stage = words
    ended = with_sql(flockctl)("backend", "psql", app, "--project", "plant", "--stage", stage, "--json")

    assert ended.error["code"] == "not_found"
