"""The environment: every refusal names the variable."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.settings import Settings, SettingsError

Read = Callable[[Settings], object]


def settings(**variables: str) -> Settings:
    return Settings("X", {f"IRONFLOCK_X_{name}": value for name, value in variables.items()})


def text(found: Settings) -> object:
    return found.text("A")


def integer(found: Settings) -> object:
    return found.integer("A", minimum=2, maximum=5)


def port(found: Settings) -> object:
    return found.port("A")


def seconds(found: Settings) -> object:
    return found.seconds("A", 1.0, maximum=10.0)


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (text, ""),
        (text, "  "),
        (integer, ""),
        (integer, "1"),
        (integer, "6"),
        (integer, "-3"),
        (integer, "3.0"),
        (integer, "0x3"),
        (integer, "\u0663"),
        (integer, "three"),
        (integer, "1" * 5000),
        (port, "0"),
        (port, "65536"),
        (seconds, "0"),
        (seconds, "-1"),
        (seconds, "10.5"),
        (seconds, "nan"),
        (seconds, "inf"),
        (seconds, "soon"),
    ],
)
def test_given_an_unfit_value_when_it_is_read_then_the_refusal_names_the_variable(read: Read, value: str) -> None:
    with pytest.raises(SettingsError, match="IRONFLOCK_X_A"):
        read(settings(A=value))


@pytest.mark.parametrize("read", [text, integer, port, lambda found: found.path("A"), lambda found: found.secret("A")])
def test_given_nothing_when_it_is_read_without_a_default_then_the_refusal_names_the_variable(read: Read) -> None:
    with pytest.raises(SettingsError, match=r"IRONFLOCK_X_A.* missing"):
        read(settings())


def test_given_nothing_when_there_is_a_default_then_it_is_taken() -> None:
    found = settings()

    assert found.text("A", "text") == "text"
    assert found.integer("B", 4, minimum=2, maximum=5) == 4
    assert found.port("C", 8443) == 8443
    assert found.seconds("D", 0.5) == 0.5
    assert found.path("E", Path("folder")) == Path("folder")


@given(st.integers(2, 5))
def test_a_number_within_its_bounds_is_read_as_it_is(number: int) -> None:
    assert settings(A=f" {number} ").integer("A", minimum=2, maximum=5) == number


def test_given_a_default_outside_the_bounds_when_it_is_taken_then_it_is_refused_too() -> None:
    with pytest.raises(SettingsError, match="IRONFLOCK_X_A"):
        settings().integer("A", 7, minimum=2, maximum=5)


def test_given_a_file_when_its_secret_is_read_then_the_line_end_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s3cret\n", encoding="utf-8")

    assert settings(A_FILE=str(file)).secret("A") == "s3cret"


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe s3cret"])
def test_given_an_unfit_file_when_its_secret_is_read_then_only_its_name_is_told(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(SettingsError, match="IRONFLOCK_X_A_FILE") as refused:
        settings(A_FILE=str(file)).secret("A")

    assert str(file) in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_given_the_secret_itself_in_the_variable_when_unknown_ones_are_refused_then_its_value_is_not_told() -> None:
    found = settings(PASSWORD="s3cret")

    with pytest.raises(SettingsError, match="IRONFLOCK_X_PASSWORD is not a setting") as refused:
        found.refuse_unknown()

    assert "s3cret" not in str(refused.value)


def test_given_a_misspelt_variable_when_unknown_ones_are_refused_then_it_is_named() -> None:
    found = settings(PORT="8443", PROT="8444")
    found.port("PORT")

    with pytest.raises(SettingsError, match="IRONFLOCK_X_PROT"):
        found.refuse_unknown()


def test_given_variables_of_others_when_unknown_ones_are_refused_then_they_are_left_alone() -> None:
    found = Settings("X", {"IRONFLOCK_X_PORT": "8443", "IRONFLOCK_Y_PORT": "1", "IRONFLOCK_XY_PORT": "1", "PATH": "/"})
    found.port("PORT")

    found.refuse_unknown()
