"""What apps get to know of each other's data."""

from typing import Any

import msgspec
import pytest

from services.fleetdb.errors import Refusal
from services.fleetdb.records.backends import Backend, Stage
from services.fleetdb.rules.catalogs import listed, resolved
from shared.templates import Template

COLUMNS = [
    {"id": "tsp", "dataType": "timestamp"},
    {"id": "speed", "dataType": "numeric", "name": "Speed", "description": "rpm"},
    {"id": "pin", "dataType": "string", "secret": True},
]
TEMPLATE = msgspec.convert(
    {
        "data": {
            "tables": [
                {"tablename": "readings", "columns": COLUMNS, "description": "What it reads"},
                {"tablename": "own", "columns": COLUMNS[:1], "private": True},
            ],
            "transforms": [
                {
                    "tablename": "hourly",
                    "columns": COLUMNS[:2],
                    "sql": "SELECT 1",
                    "schedule": "* * * * *",
                    "materialize": False,
                },
            ],
        }
    },
    Template,
)


def backend(app: int, name: str, *providers: str, stage: Stage = Stage.DEV, project: int = 1) -> Backend:
    return Backend(
        backend_key=app,
        project_key=project,
        app_key=app,
        app_name=name,
        stage=stage,
        database="d",
        schema="s",
        login="l",
        epoch=1,
        template=TEMPLATE,
        providers=frozenset(providers),
    )


ALL = [
    backend(26, "press", "mixer", "lamp"),
    backend(27, "mixer"),
    backend(27, "mixer", stage=Stage.PROD),
    backend(28, "oven"),
    backend(99, "lamp", project=2),
]


def refusal(reader: Backend, app: Any) -> str:
    with pytest.raises(Refusal) as raised:
        resolved(reader, ALL, app)
    return raised.value.uri


def test_a_granted_app_is_shown_with_its_stages_and_what_is_not_private() -> None:
    found = resolved(ALL[0], ALL, "Mixer")

    assert (found["app"], found["provider_app_key"], set(found["stages"])) == ("Mixer", 27, {"dev", "prod"})
    assert found["stages"]["dev"]["tables"] == [
        {
            "tablename": "readings",
            "description": "What it reads",
            "columns": [
                {"id": "tsp", "dataType": "timestamp"},
                {"id": "speed", "dataType": "numeric", "name": "Speed", "description": "rpm"},
                {"id": "pin", "dataType": "string", "secret": True},
            ],
        }
    ]
    assert [each["tablename"] for each in found["stages"]["dev"]["transforms"]] == ["hourly"]


@pytest.mark.parametrize(
    ("app", "uri"),
    [
        ("oven", "sys.appaccess.error.no_grant"),
        ("lamp", "sys.appaccess.error.provider_not_installed"),
        ("nobody", "sys.appaccess.error.unknown_app"),
        ("press", "sys.appaccess.error.unknown_app"),
        ("", "wamp.error.invalid_argument"),
        (None, "wamp.error.invalid_argument"),
        (5, "wamp.error.invalid_argument"),
    ],
)
def test_what_it_may_not_know_is_refused_in_the_published_words(app: Any, uri: str) -> None:
    assert refusal(ALL[0], app) == uri


def test_the_list_has_what_resolves() -> None:
    assert [each["app"] for each in listed(ALL[0], ALL)] == ["mixer"]
    assert listed(ALL[3], ALL) == []


def test_every_app_of_the_project_is_granted_by_a_star() -> None:
    reader = backend(26, "press", "*")

    assert [each["app"] for each in listed(reader, [reader, *ALL[1:]])] == ["mixer", "oven"]
    assert resolved(reader, ALL, "OVEN")["app"] == "OVEN"
