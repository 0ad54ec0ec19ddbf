"""Login names: addresses, and their one canonical form."""

import pytest

from services.auth.rules.login_names import clean_address, login_canonical
from shared.errors import InvalidArgumentError


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (" anna@example.com ", "anna@example.com"),
        ("Anna.Meier+plant@Example.COM", "Anna.Meier+plant@example.com"),
        ("Änne@exämple.com", "Änne@exämple.com"),
        ("owner@localhost", "owner@localhost"),
    ],
)
def test_an_address_is_kept_as_it_was_given(text: str, kept: str) -> None:
    assert clean_address(text) == kept


@pytest.mark.parametrize(
    "text",
    ["", "anna", "@", "a@", "@b.de", "a b@c.de", "a@b", "a@b..de", "a@b.de\r\nBcc: c@d.de", "a@b.de\x00", "x" * 300],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError):
        clean_address(text)


def test_look_alikes_and_case_twins_are_one_name() -> None:
    twins = ["Anna@Example.com", "anna@example.com ", "\uff41nna@example.com", "ANNA@EXAMPLE.COM"]

    assert len({login_canonical(each) for each in twins}) == 1
