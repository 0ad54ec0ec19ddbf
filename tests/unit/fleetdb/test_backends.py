"""Backends as realms tells of them."""

from typing import Any

import msgspec
import pytest

from services.fleetdb.records.backends import Stage
from services.fleetdb.rules.backends import Place, backend_of, place_of

TOLD: dict[str, Any] = {
    "backend_key": 5,
    "project_key": 2,
    "app_key": 26,
    "app_name": "press",
    "stage": "DEV",
    "database": "d_a",
    "schema": "s_a",
    "login": "l_a",
    "epoch": 3,
    "template": {"data": {"tables": [{"tablename": "t", "columns": [{"id": "tsp", "dataType": "timestamp"}]}]}},
    "providers": ["mixer", "*"],
}


def test_a_backend_is_what_realms_says() -> None:
    backend = backend_of(TOLD)

    assert (backend.realm, backend.epoch) == ("realm-2-26-dev", 3)
    assert backend.providers == {"mixer", "*"}
    assert place_of(backend) == Place(2, 26, Stage.DEV)
    assert backend.template is not None
    assert [table.tablename for table in backend.template.data.tables] == ["t"]


def test_how_long_rows_are_kept_may_be_said_by_people() -> None:
    assert (backend_of(TOLD).keeps, backend_of(TOLD).retention_change) == ({}, None)

    backend = backend_of({**TOLD, "keeps": {"t": 86_400}, "retention_change": 3})

    assert (backend.keeps, backend.retention_change) == ({"t": 86_400}, 3)


@pytest.mark.parametrize("template", [None, {}, {"data": {"tables": [{"tablename": "A B"}]}}, "text", 5])
def test_one_without_a_template_that_can_be_read_has_none(template: Any) -> None:
    assert backend_of({**TOLD, "template": template}).template is None


@pytest.mark.parametrize("change", [{"stage": "dev"}, {"backend_key": "5"}, {"providers": None}, {"login": 5}])
def test_anything_else_is_a_fault(change: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        backend_of({**TOLD, **change})
