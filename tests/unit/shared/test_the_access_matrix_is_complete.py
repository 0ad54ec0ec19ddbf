"""The checked-in matrix of access has a row for everything that can be asked, and none for anything else."""

import pytest

from services.gateway.records import Route
from services.gateway.rules.authzen import ENDPOINTS
from services.gateway.rules.routes import ROUTES
from shared.flags import FLAGS
from shared.procedures import Audience, Declaration
from tests.security.access.cases import OF_AUTHZEN, OF_DEVICES, OF_PEOPLE
from tests.security.access.records import Row, Who
from tests.security.access.table import COLUMNS, FILE, NO_FLAG, asks_for, cases_of, name_of, read, rows, text
from tests.unit.shared.test_every_procedure_is_known import DECLARED, IDS

HEADS = len(COLUMNS) - len(Who)
ROWS = list(rows())
CELLS = [line.split("\t") for line in read()]
WORDS = {"allowed", "nothing", "not_found", "not_authorized", "step_up_required", "router", "cannot_join", NO_FLAG}


def cells(row: Row) -> dict[Who, str]:
    (found,) = [line for line in CELLS if tuple(line[:HEADS]) == row.head]
    return dict(zip(Who, found[HEADS:], strict=True))


@pytest.mark.parametrize("declaration", [declaration for _, declaration in DECLARED], ids=IDS)
def test_a_procedure_has_a_case(declaration: Declaration) -> None:
    assert cases_of(declaration), "say in tests/security/access/cases.py how it is asked and what guards it"


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_a_route_has_a_case(route: Route) -> None:
    assert any(asks_for(route, case) for case in OF_PEOPLE), "a case of its procedure must fit the route"


def test_a_case_is_of_a_procedure_or_an_endpoint() -> None:
    assert {case.procedure for case in (*OF_PEOPLE, *OF_DEVICES)} <= set(IDS)
    assert {case.procedure for case in OF_AUTHZEN} == set(ENDPOINTS.values())


def test_the_file_has_exactly_these_rows() -> None:
    """Where this fails: `python -m tests.security.access.table` writes the file anew; read the difference."""
    assert [tuple(line[:HEADS]) for line in CELLS] == [row.head for row in ROWS]
    assert len({row.head for row in ROWS}) == len(ROWS)


def test_a_guard_names_flags_that_there_are() -> None:
    named = {flag for row in ROWS for flag in row.case.flags}

    assert named
    assert all(flag in FLAGS[kind] for kind, flag in named)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join(row.head[:3]))
def test_the_answers_are_what_the_guard_says(row: Row) -> None:
    found = cells(row)

    assert {word for word in found.values() if word.partition(" ")[0] not in {"401", "403", "404"}} <= WORDS
    assert (found[Who.FLAGGED] == "allowed") == bool(row.case.flags)
    if row.case.flags:
        assert not {"allowed"} & {found[Who.OUTSIDER], found[Who.MEMBER], found[Who.ANONYMOUS]}
        assert (found[Who.OWNER] == "allowed") == ("installation" not in row.case.guard)
    if row.case.guard.startswith("services: "):
        assert {found[who] for who in (Who.OUTSIDER, Who.MEMBER, Who.OWNER, Who.DEVICE)} == {"router"}


def test_only_agents_procedures_are_for_devices() -> None:
    agents = {declaration.uri for _, declaration in DECLARED if declaration.audience is Audience.DEVICES}
    bus = [row for row in ROWS if row.surface.value == "bus"]

    assert {row.name for row in bus if cells(row)[Who.DEVICE] != "router"} == agents
    assert {cells(row)[Who.DEVICE] for row in ROWS if row.surface.value == "rest"} == {"401 unauthorized"}


def test_the_file_says_what_its_words_mean() -> None:
    assert FILE.read_text(encoding="utf-8") == text(read())
