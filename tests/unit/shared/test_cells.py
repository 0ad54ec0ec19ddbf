"""The list of cells, as settings have it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cells import FIRST, NAME, Cell, is_cell_name, parse_cells

names = st.from_regex(NAME)


def test_one_router_needs_no_name() -> None:
    assert parse_cells("wss://localhost:8444/ws-svc") == (Cell(FIRST, "wss://localhost:8444/ws-svc"),)


@given(st.lists(names, min_size=1, max_size=4, unique=True), st.sampled_from([",", " , ", ",,"]))
def test_each_cell_is_read_with_its_name_in_order(named: list[str], between: str) -> None:
    told = [Cell(name, f"wss://{name}.example:444/ws-svc") for name in named]

    assert parse_cells(between.join(f"{cell.name}={cell.url}" for cell in told)) == tuple(told)


def test_an_equals_sign_may_be_in_an_address() -> None:
    assert parse_cells("wss://a/x?y=z") == (Cell(FIRST, "wss://a/x?y=z"),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " , ",
        "second=ws://a/ws-svc",
        "https://a",
        "wss://a/ws-svc,wss://b/ws-svc",
        "wss://a/ws-svc,first=wss://b/ws-svc",
        "b=wss://a/ws-svc,b=wss://b/ws-svc",
        "=wss://a/ws-svc",
        "Second=wss://a/ws-svc",
        "a b=wss://a/ws-svc",
        "2=wss://a/ws-svc",
        f"{'a' * 32}=wss://a/ws-svc",
    ],
)
def test_what_names_no_cells_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a list of NAME=wss://"):
        parse_cells(text)


@given(st.text(max_size=40))
def test_a_name_is_one_line(text: str) -> None:
    assert not is_cell_name(f"{text}\n")
