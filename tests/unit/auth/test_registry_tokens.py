"""A device's token for the registry of images: whose it is, what it opens, when it is refused."""

from typing import Any, cast
from uuid import UUID

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from services.auth.procedures.registry_tokens import RegistryTokenProcedures
from services.auth.provider.signing_keys import Signer
from services.auth.records.devices import DeviceCredential
from services.auth.records.registry_tokens import IssueRegistryToken
from shared.errors import InvalidArgumentError, NotAuthorizedError, NotFoundError
from shared.identities import ServiceIdentity
from shared.procedures import decode

pytestmark = pytest.mark.asyncio
KEY = RSAKey.generate_key(2048, {"kid": "sign-1"}, private=True)
DEVICES = ServiceIdentity("devices", 1)
ASKED = IssueRegistryToken(7, ["apps/prod_amd64_26_press"])


class Around:
    """Database, locks and keys in one."""

    def __init__(self, state: Any = "active", *, is_locked: bool = False) -> None:
        """One device; none where `state` is None."""
        self.state = state
        self.is_locked = is_locked

    async def run(self, _: Any) -> DeviceCredential | None:
        """The device's credential."""
        if self.state is None:
            return None
        return DeviceCredential(7, 3, UUID(int=7), self.state, UUID(int=1), b"", b"", b"")

    def is_device_out(self, *_: int) -> bool:
        """Whether it is locked."""
        return self.is_locked

    async def signer(self) -> Signer:
        """What signs."""
        return Signer(KEY, KeySet([KEY]), cast("Any", {}))


def procedures(around: Around) -> RegistryTokenProcedures:
    parts = cast("Any", around)
    return RegistryTokenProcedures(parts, parts, parts, lambda: 1_000_000.0, issuer="https://accounts.test")


async def test_a_token_names_the_device_and_opens_its_images_for_pulling() -> None:
    token = await procedures(Around()).registry_token_issue(DEVICES, ASKED)

    read = jwt.decode(token, KEY, algorithms=["RS256"])
    claims = read.claims
    assert read.header["typ"] == "registry-login+jwt"  # which no ID token has
    assert (claims["sub"], claims["aud"], claims["iss"]) == ("3-7", "registry-login", "https://accounts.test")
    assert claims["access"] == [{"type": "repository", "name": "apps/prod_amd64_26_press", "actions": ["pull"]}]
    assert (claims["nbf"], claims["exp"]) == (999_940, 1_000_900)


@pytest.mark.parametrize("around", [Around(None), Around("ended"), Around(is_locked=True)])
async def test_a_device_that_may_not_join_gets_none(around: Around) -> None:
    with pytest.raises(NotFoundError):
        await procedures(around).registry_token_issue(DEVICES, ASKED)


async def test_it_is_for_devices_alone() -> None:
    for name in ("router", "realms", "gateway", "tunnels", ""):
        with pytest.raises(NotAuthorizedError):
            await procedures(Around()).registry_token_issue(ServiceIdentity(name, 1), ASKED)


@pytest.mark.parametrize("name", ["", "Apps/x", "apps/x y", "-x", "x" * 256, "a:b", "../x"])
async def test_what_is_no_repository_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError):
        decode(IssueRegistryToken, {"device_key": 7, "repositories": [name]})
