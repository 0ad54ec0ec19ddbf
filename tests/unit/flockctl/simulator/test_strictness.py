"""The stand-in reads arguments as strictly as the agent does."""

from typing import Any

import pytest

from deploy.flockctl.simulator.strictness import LIST, TAKEN, TEXT, TRUTH, WHOLE, misread
from deploy.flockctl.simulator.wire import PROCEDURES
from tests.unit.flockctl.simulator.test_answers import VALID

GOOD: dict[str, Any] = {TEXT: "a", WHOLE: 1, TRUTH: True, LIST: []}
WRONG: dict[str, list[Any]] = {
    TEXT: [1, True, None, {}],
    WHOLE: ["1", 1.0, -1, True, None],
    TRUTH: ["true", 1, None],
    LIST: ["a", {}, None],
}


@pytest.mark.parametrize("name", sorted(TAKEN))
def test_every_field_is_read_in_its_own_type_alone(name: str) -> None:
    assert name in PROCEDURES
    taken = TAKEN[name]
    fields = {**taken.needed, **taken.optional}
    whole = {field: GOOD[kind] for field, kind in fields.items()}
    assert misread(name, (whole,)) is None
    for field, kind in fields.items():
        for value in WRONG[kind]:
            is_left_out = value is None and field in taken.optional
            assert misread(name, ({**whole, field: value},)) == (None if is_left_out else field)


@pytest.mark.parametrize("argument", ["text", ["a"], 7, None])
def test_what_is_no_dictionary_is_not_read(argument: object) -> None:
    assert misread("prune_images", (argument,)) == "the argument"


def test_procedures_without_arguments_take_anything() -> None:
    assert {misread(name, (7,)) for name in PROCEDURES if name not in TAKEN} == {None}
    assert misread("execute_cmd", (VALID,)) is None
