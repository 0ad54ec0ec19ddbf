"""What a person types, before it goes anywhere."""

import pytest

from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.words import MAX_KEY, flags_of, key_or_name, stage_of
from shared.errors import InvalidArgumentError


def test_digits_are_a_key_and_everything_else_a_name() -> None:
    assert key_or_name("42", what="device") == 42
    assert key_or_name("007", what="device") == 7
    assert key_or_name(str(MAX_KEY), what="device") == MAX_KEY
    assert key_or_name(" press-1 ", what="device") == "press-1"


@pytest.mark.parametrize("word", ["0", "000", str(MAX_KEY + 1), "9" * 16, "9" * 100_000])
def test_a_key_out_of_range_is_refused(word: str) -> None:
    with pytest.raises(CommandError) as caught:
        key_or_name(word, what="device")

    assert caught.value.code == "invalid_argument"
    assert len(caught.value.message) < 100


@pytest.mark.parametrize(
    "word", ["", "   ", "a\x1bb", "a\nb", "a\x00", "a\u202eb", "x" * 10**6, "\udcff", "\uff11\uff12"]
)
def test_a_malformed_name_is_refused(word: str) -> None:
    with pytest.raises(InvalidArgumentError):
        key_or_name(word, what="device")


def test_flags_stand_with_commas_each_once_in_capitals() -> None:
    assert flags_of("READ") == ["READ"]
    assert flags_of("read, Remote_Access,READ") == ["READ", "REMOTE_ACCESS"]


@pytest.mark.parametrize(
    "word", ["", ",", "READ,", "READ OPERATE", "*", "_X", "x" * 41, "A," * 10**6, "\x1b", "\u0131"]
)
def test_malformed_flags_are_refused_without_repeating_them(word: str) -> None:
    with pytest.raises(CommandError) as caught:
        flags_of(word)

    assert caught.value.status is ExitStatus.USAGE
    assert len(caught.value.message) < 100


@pytest.mark.parametrize("word", ["dev", "DEV", "Prod"])
def test_a_stage_is_told_in_capitals(word: str) -> None:
    assert stage_of(word) == word.upper()


@pytest.mark.parametrize("word", ["", "development", "dev\n", "\u0501ev"])
def test_there_are_two_stages(word: str) -> None:
    with pytest.raises(CommandError) as caught:
        stage_of(word)

    assert (caught.value.code, caught.value.status) == ("invalid_argument", ExitStatus.USAGE)
