"""The file of other providers: what is right is read, what is not is refused with its place and without a secret."""

from pathlib import Path

import pytest

from services.auth.settings import read
from services.auth.upstream_settings import read_providers
from shared.settings import Settings, SettingsError
from tests.unit.shared.environments import environment

VARIABLE = "IRONFLOCK_AUTH_UPSTREAM_FILE"
LEAST = """
[[provider]]
name = "works"
title = "Works AG"
issuer = "https://login.works.example/realms/a"
client_id = "ironflock"
"""


@pytest.fixture(name="file")
def fixture_file(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("s3cret\n")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    return tmp_path / "upstream.toml"


def test_the_least_is_a_public_client_whose_provider_vouches_for_nothing(file: Path) -> None:
    file.write_text(LEAST)

    (found,) = read_providers(VARIABLE, file)

    assert (found.client_secret, found.trusts_addresses, found.satisfies_second_factor) == (None, False, False)
    assert (found.scopes, found.session_hours, found.ca) == (("openid", "email", "profile"), 12, None)


def test_everything_is_read_and_no_secret_is_shown(file: Path) -> None:
    file.write_text(
        LEAST + 'client_secret_file = "secret"\nscopes = ["openid"]\ntrusts_addresses = true\nca = "ca.pem"\n'
        'satisfies_second_factor = true\nrequired_claims = { hd = "x" }\nsession_hours = 3\n'
    )

    (found,) = read_providers(VARIABLE, file)

    assert found.client_secret == "s3cret"
    assert "s3cret" not in repr(found)
    assert (found.required_claims, found.session_hours) == ({"hd": "x"}, 3)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "provider"),
        ("x = [", "TOML"),
        ("provider = []", "provider"),
        ("provider = 7", "provider"),
        ("provider = [7]", "provider 1: must be a table"),
        (LEAST + "[other]\n", "nothing else"),
        (LEAST * 2, "same name"),
        (LEAST + LEAST.replace('"works"', '"other"'), "same title"),
        (LEAST * 21, "1 to 20"),
        (LEAST + "secret = 'x'\n", "secret is not a key"),
        *((LEAST.replace(f"{key} =", "ca ="), f"{key} is missing") for key in ("name", "title", "issuer", "client_id")),
        (LEAST.replace('"works"', '"Works"'), "name must be"),
        (LEAST.replace('"works"', '"../x"'), "name must be"),
        (LEAST.replace('"Works AG"', "7"), "title must be"),
        (LEAST.replace('"Works AG"', '" "'), "title must be"),
        (LEAST.replace("https:", "http:"), "issuer must be"),
        (LEAST.replace("/realms/a", "?a=b"), "issuer must be"),
        (LEAST.replace("login.works", "user@login.works"), "issuer must be"),
        (LEAST.replace("https://login.works.example", "https://[::1"), "issuer must be"),
        (LEAST + 'scopes = ["email"]\n', "scopes must be"),
        (LEAST + 'scopes = ["openid", "a b"]\n', "scopes must be"),
        (LEAST + 'scopes = ["openid", "openid"]\n', "scopes must be"),
        (LEAST + 'scopes = "openid"\n', "scopes must be"),
        (LEAST + 'trusts_addresses = "yes"\n', "trusts_addresses must be"),
        (LEAST + "satisfies_second_factor = 1\n", "satisfies_second_factor must be"),
        (LEAST + "required_claims = { hd = 7 }\n", "required_claims must be"),
        (LEAST + "session_hours = 0\n", "session_hours must be"),
        (LEAST + "session_hours = true\n", "session_hours must be"),
        (LEAST + 'client_secret_file = "nope"\n', "cannot be read"),
        (LEAST + 'client_secret_file = "empty"\n', "is empty"),
        (LEAST + 'ca = "nope"\n', "cannot be read"),
        (LEAST + 'ca = "secret"\n', "no certificate"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(file: Path, text: str, told: str) -> None:
    file.write_text(text)

    with pytest.raises(SettingsError, match=told) as refused:
        read_providers(VARIABLE, file)

    assert VARIABLE in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_the_variable_names_it_and_none_is_no_provider(tmp_path: Path, file: Path) -> None:
    variables = environment("auth", tmp_path)
    assert read(Settings("AUTH", variables)).upstream == ()

    file.write_text(LEAST)
    assert [each.name for each in read(Settings("AUTH", {**variables, VARIABLE: str(file)})).upstream] == ["works"]
    with pytest.raises(SettingsError, match=VARIABLE):
        read(Settings("AUTH", {**variables, VARIABLE: str(tmp_path / "nope")}))
