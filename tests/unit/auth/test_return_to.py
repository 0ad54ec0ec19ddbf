"""Where a page leads to: to pages of ours that expect it, whatever is asked for (CWE-601)."""

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.auth.rules.return_to import HOME, MAX_LENGTH, PLACES, leads_to_client, safe_return

ORIGIN = "https://accounts.example.com"
PIECES = st.sampled_from(
    [
        "/",
        "//",
        "\\",
        "account",
        "/account",
        "/oauth/authorize",
        "..",
        ".",
        "%2f",
        "%5c",
        "@",
        ":",
        "?",
        "#",
        "&x=",
        "\t",
        "\r\n",
        " ",
        "\0",
        "evil.example",
        "https:",
        "javascript:",
        "data:",
        "\u2044",
        "\uff0f",
        "\u202e",
        "[",
        "]",
        ";",
    ]
)


@pytest.mark.parametrize(
    "text",
    [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/account\\evil",
        "https://evil.example",
        "https:evil.example",
        "HTTPS://accounts.example.com/account",
        "javascript:alert(1)",
        "data:text/html,x",
        "account",
        "/",
        "",
        None,
        "/accounts",
        "/account.evil",
        "/sign-out",
        "/account/../sign-out",
        "/account/./x",
        "/account//x",
        "/account/%2e%2e/sign-out",
        "/account%2f..",
        "/account#x",
        "/account x",
        "/account\t",
        "\t/account",
        "/account\n",
        "/account\r\nset-cookie: a=b",
        "/account\0",
        "/account\u2028",
        "/\uff0faccount",
        "/account/\u00fc",
        "?x=/account",
        "/account" + "/x" * MAX_LENGTH,
        "@evil.example/account",
        "/oauth",
        "/oauth/token",
        "/upstream/x/start",
    ],
)
def test_whatever_is_no_place_of_ours_leads_home(text: str | None) -> None:
    assert safe_return(text) == HOME


@pytest.mark.parametrize(
    "text",
    [
        "/account",
        "/account/passkey?passkey=a-b_c",
        "/device?user_code=BCDF-GHJK",
        "/consent?x=1",
        "/oauth/authorize?client_id=x&redirect_uri=https%3A%2F%2Fapp.example%2Fback&state=%2F%2F",
        "/oauth/end_session",
    ],
)
def test_places_of_ours_are_kept_as_they_are(text: str) -> None:
    assert safe_return(text) == text


@example("/account//evil.example")
@example("/account/..//evil.example")
@given(
    st.text()
    | st.lists(PIECES, max_size=8).map("".join)
    | st.lists(PIECES, max_size=6).map(lambda p: "/account" + "".join(p))
)
def test_a_browser_stays_at_one_of_our_places(text: str) -> None:
    found = safe_return(text)

    joined = urlsplit(urljoin(ORIGIN + "/sign-in", found))
    assert f"{joined.scheme}://{joined.netloc}" == ORIGIN
    assert any(joined.path == place or joined.path.startswith(f"{place}/") for place in PLACES)
    assert found.isascii()
    assert found.isprintable()
    assert safe_return(found) == found


def test_to_a_client_it_goes_by_a_page_of_ours() -> None:
    assert leads_to_client("/oauth/authorize?x")
    assert not leads_to_client("/account")
