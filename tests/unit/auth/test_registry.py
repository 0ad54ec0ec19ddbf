"""The token endpoint of the registry of images: who gets what, and who gets nothing."""

from typing import Any

import pytest
from cryptography.x509 import load_pem_x509_certificate
from joserfc import jwt
from joserfc.jws import JWSRegistry

from services.auth.provider.certificates import certificate_of
from services.auth.rules.registry import Wanted, wanted
from tests.harness.registry_door import ANNAS, ISSUER, OTHERS, OWN, SECRET, Door

pytestmark = pytest.mark.asyncio
NOW = 1_764_500_000.0
BOTH = f"scope=repository:{OWN}:pull,push&scope=repository:{OTHERS}:pull"


@pytest.fixture(scope="module")
def made() -> Door:
    return Door(NOW)


@pytest.fixture
def door(made: Door) -> Door:
    made.now, made.state, made.is_locked, made.scopes = NOW, "active", False, ["all"]
    return made


async def access(door: Door, name: str, password: str, scope: str = BOTH) -> Any:
    """What a token opens."""
    answer = await door.ask(name, password, scope)
    assert answer.status == 200
    long = JWSRegistry(algorithms=["RS256"])
    long.max_header_length = 8_192  # with a certificate in it
    read = jwt.decode(answer.content["token"], door.key, registry=long)
    assert (read.claims["iss"], read.claims["aud"], read.claims["exp"]) == (ISSUER, "registry", NOW + 300)
    assert answer.content["access_token"] == answer.content["token"]
    assert answer.content["expires_in"] == 300
    assert len(read.header["x5c"]) == 1
    return {row["name"]: row["actions"] for row in read.claims["access"]}


async def test_a_device_pulls_the_images_of_its_own_apps_and_pushes_none(door: Door) -> None:
    assert await access(door, await door.login(), SECRET) == {OWN: ["pull"]}
    assert await access(door, await door.login(), SECRET, "") == {}
    assert await access(door, await door.login(), SECRET, f"scope=repository:{OTHERS}:pull") == {}
    assert await access(door, await door.login(), SECRET, "scope=registry:catalog:*&scope=nonsense") == {}


async def test_a_person_pulls_and_pushes_what_they_release(door: Door) -> None:
    assert await access(door, "anna", ANNAS) == {OWN: ["pull", "push"]}
    door.scopes = ["read"]
    assert await access(door, "anna", ANNAS) == {}


async def test_what_opens_nothing_gets_nothing(door: Door) -> None:
    login = await door.login()
    for name, password in ((login, "wrong"), (login, ""), ("x", SECRET), ("", ""), (login[:-2] + "AA", SECRET),
                           ("anna", ANNAS[:-1]), ("anna", "ifk_"), (login, SECRET + "x" * 5_000)):  # fmt: skip
        answer = await door.ask(name, password, BOTH)
        assert answer.status == 401
        assert dict(answer.headers)["WWW-Authenticate"] == 'Basic realm="registry"'
        assert "token" not in answer.content
    for authorization in ("", "Basic", "Basic !", "Basic AAAA", f"Bearer {login}"):
        assert (await door.ask_as(authorization, {"service": ("registry",)})).status == 401


@pytest.mark.parametrize("what", ["ended", "gone", "locked", "late", "early"])
async def test_a_login_counts_as_long_as_the_device_does_and_a_quarter_of_an_hour(door: Door, what: str) -> None:
    login = await door.login()
    door.state = {"ended": "ended", "gone": None}.get(what, "active")
    door.is_locked = what == "locked"
    door.now += {"late": 901.0, "early": -61.0}.get(what, 0.0)

    assert (await door.ask(login, SECRET, BOTH)).status == 401


async def test_the_registry_s_own_token_logs_nobody_in(door: Door) -> None:
    issued = (await door.ask(await door.login(), SECRET, BOTH)).content["token"]

    assert (await door.ask(issued, SECRET, BOTH)).status == 401


async def test_another_service_s_name_gets_nothing(door: Door) -> None:
    assert (await door.ask(await door.login(), SECRET, BOTH, service="other")).status == 400


async def test_the_certificates_are_those_of_the_keys_and_the_same_everywhere(door: Door) -> None:
    answer = await door.registry.show_certificates(None)  # type: ignore[arg-type]

    found = load_pem_x509_certificate(answer.body)
    assert found == door.certificate
    began_at = door.certificate.not_valid_before_utc
    private: Any = door.key.private_key
    assert certificate_of(private, "a", began_at) == certificate_of(private, "a", began_at)


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        (f"repository:{OWN}:pull", [Wanted(OWN, ("pull",))]),
        (f"repository:{OWN}:push,pull,delete,*", [Wanted(OWN, ("pull", "push"))]),
        (f"repository:{OWN}:pull repository:{OTHERS}:push", [Wanted(OWN, ("pull",)), Wanted(OTHERS, ("push",))]),
        ("repository:Apps/x:pull", []),
        ("repository:../x:pull", []),
        ("repository:pull", []),
        (f"repository(plugin):{OWN}:pull", []),
        ("", []),
    ],
)
async def test_scopes_are_read_as_registries_write_them(scope: str, found: list[Wanted]) -> None:
    assert wanted([scope]) == found


async def test_of_which_app_a_repository_is_stands_in_its_name() -> None:
    assert Wanted(OWN, ()).app_key == 26
    assert Wanted("x/y/dev_armv7_5_a.b", ()).app_key == 5
    for name in ("apps/press", "apps/prod_amd64_x_press", "prod_amd64_26", "apps/test_amd64_26_press"):
        assert Wanted(name, ()).app_key is None
