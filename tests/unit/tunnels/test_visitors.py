"""What a visitor's request says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tunnels.records.offers import TunnelProtocol
from services.tunnels.rules.visitors import STATUS_OF_REFUSALS, bearer, wanted_of
from shared.errors import InvalidArgumentError, PublicError, SignInRefusedError


def test_a_device_is_named_by_its_key_or_its_name() -> None:
    assert wanted_of(["42", "SSH", "22"]) == (42, "ssh", 22, TunnelProtocol.TCP)
    assert wanted_of(["press 1", "ssh", "22"]) == ("press 1", "ssh", 22, TunnelProtocol.TCP)
    assert wanted_of(["042", "ssh", "65535"]) == ("042", "ssh", 65_535, TunnelProtocol.TCP)


def test_datagrams_are_asked_for_by_a_word_behind() -> None:
    assert wanted_of(["42", "dns", "53", "udp"]) == (42, "dns", 53, TunnelProtocol.UDP)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        ["42", "ssh"],
        ["42", "ssh", "22", ""],
        ["42", "ssh", "22", "tcp"],
        ["42", "ssh", "22", "udp", ""],
        ["", "ssh", "22"],
        ["42", "", "22"],
        *(["42", "ssh", port] for port in ("0", "-1", "65536", "x", "022", "2 2", "9" * 30)),
        ["a" * 401, "ssh", "22"],
    ],
)
def test_anything_else_means_nothing(parts: list[str]) -> None:
    with pytest.raises(InvalidArgumentError, match="/visit/"):
        wanted_of(parts)


@given(parts=st.lists(st.text(max_size=450), max_size=5))
def test_whatever_is_asked_is_understood_or_refused(parts: list[str]) -> None:
    try:
        device, _, port, _ = wanted_of(parts)
    except InvalidArgumentError:
        return
    assert 1 <= port <= 65_535
    assert isinstance(device, str) or device < 2**53


def test_one_bearer_is_what_is_shown() -> None:
    assert bearer(["Bearer ift_abc"]) == bearer([" bearer\tift_abc "]) == "ift_abc"


@pytest.mark.parametrize(
    "values",
    [[], ["Bearer a", "Bearer b"], ["Basic YTpi"], ["Bearer"], ["Bearer a b"], ["Bearer " + "a" * 4_097], ["é"]],
)
def test_no_other_is(values: list[str]) -> None:
    with pytest.raises(SignInRefusedError):
        bearer(values)


def test_each_refusal_has_a_status_that_blames_nobody_but_the_caller_or_says_try_again() -> None:
    assert set(STATUS_OF_REFUSALS.values()) <= {*range(400, 430), 503}
    assert all(issubclass(each, PublicError) for each in STATUS_OF_REFUSALS)
