"""`flockctl realm` and `backend` against a router that plays the platform: it takes what the service takes."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import evolve

from services.realms.records import backends, retention
from services.realms.records.values import Stage
from shared.procedures import plain
from tests.integration.flockctl.command_line import API_KEY, CommandLine, heard
from tests.integration.flockctl.fake_router import FakeRouter
from tests.integration.flockctl.test_app_commands import answering, uri

REALM: Final = backends.Realm("realm-3-4-prod", 4, "press\x1b[31m", Stage.PROD, "ready", 2)
ROTATED: Final = backends.Rotated(9, 3)
RETENTION: Final = retention.Retention(
    9,
    [
        retention.Kept("readings", 30 * 86_400, None, 604_800, is_set=True),
        retention.Kept("error-logs", None, None, 604_800, is_set=False),
    ],
    is_in_force=False,
)
PROCEDURES: Final[dict[str, tuple[type[Any], Any]]] = {
    "realm.list": (backends.ListRealms, backends.RealmList([REALM])),
    "backend.rotate": (backends.NameBackend, ROTATED),
    "backend.drop": (backends.DropBackend, None),
    "backend.retention": (backends.NameBackend, RETENTION),
    "backend.set_retention": (retention.SetRetention, RETENTION),
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


KEPT: Final = ("backend", "retention", "press", "--project", "plant", "--stage", "prod")
PRESS: Final = {"project": "plant", "app": "press", "stage": "PROD"}


def test_how_long_rows_are_kept_is_shown(router: FakeRouter, flockctl: CommandLine) -> None:
    lines = flockctl(*KEPT).out.splitlines()
    one = flockctl(*KEPT, "--table", "readings", "--json").json

    assert [line.split() for line in lines] == [
        ["TABLE", "KEPT", "FOR", "RELEASE", "STATE"],
        ["readings", "30d", "for", "ever", "in", "a", "moment"],
        ["error-logs", "for", "ever", "for", "ever", "in", "a", "moment"],
    ]
    assert [each["table"] for each in one["retention"]["tables"]] == ["readings"]
    assert heard(router, uri("backend.retention")) == [PRESS, PRESS]


def test_how_long_rows_are_kept_is_said(router: FakeRouter, flockctl: CommandLine) -> None:
    flockctl(*KEPT, "--keep", "30d", "--table", "readings")
    flockctl(*KEPT, "--keep", "release")

    assert heard(router, uri("backend.set_retention")) == [
        {**PRESS, "table": "readings", "keep_s": 30 * 86_400},
        {**PRESS, "table": None, "keep_s": None},
    ]


@pytest.mark.parametrize("word", ["", "0d", "30", "-1d", "1y", "\N{FULLWIDTH DIGIT ONE}d", "9999999d", "ever"])
def test_what_is_no_length_of_time_is_sent_nowhere(router: FakeRouter, flockctl: CommandLine, word: str) -> None:
    assert flockctl(*KEPT, "--keep", word, "--json").error["code"] in ("invalid_argument", "usage")

    assert heard(router, uri("backend.set_retention")) == []


def test_what_an_app_has_left_is_listed_and_dropped_by_its_name(router: FakeRouter, flockctl: CommandLine) -> None:
    flockctl("realm", "list", "--project", "plant", "--closed")
    words = ("backend", "drop", "press", "--project", "plant", "--stage", "prod")

    assert flockctl(*words, "--json").status == 2
    assert flockctl(*words, "--confirm", "press", "--json").json == {"dropped": PRESS}

    assert heard(router, uri("realm.list")) == [{"project": "plant", "closed": True}]
    assert heard(router, uri("backend.drop")) == [{**PRESS, "confirm": "press"}]


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
    for name in ("PGSERVICE", "PGHOSTADDR", "PGOPTIONS"):
        monkeypatch.setenv(name, "another")

    ended = with_sql(flockctl)(*PSQL, "-c", "SELECT 1", "-c", "SELECT 2")

    ca = json.loads((flockctl.state / "endpoints.json").read_text())["ca_file"]
    assert ended.status == 0, ended.err
    assert ended.out.splitlines() == [
        "--command", "SELECT 1", "--command", "SELECT 2",
        "PGCONNECT_TIMEOUT=10", "PGDATABASE=realm-3-4-prod", "PGHOST=localhost", f"PGPASSWORD={API_KEY}", "PGPORT=8456",
        "PGSSLMODE=verify-full", f"PGSSLROOTCERT={ca}", "PGUSER=flockctl",
    ]  # fmt: skip
    assert heard(router, uri("realm.list")) == [{"project": "plant"}]


@pytest.mark.parametrize("app", ["press", "PRESS", " Press "])
def test_psql_finds_an_app_by_its_name_in_any_case(
    router: FakeRouter, flockctl: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, app: str
) -> None:
    listed = backends.RealmList([evolve(REALM, app_name="Press")])
    router.script.procedures[uri("realm.list")] = answering(backends.ListRealms, listed)
    monkeypatch.setenv("PATH", psql(tmp_path / "bin")["PATH"])

    ended = with_sql(flockctl)("backend", "psql", app, "--project", "plant", "--stage", "prod")

    assert "PGDATABASE=realm-3-4-prod" in ended.out, ended.err


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
