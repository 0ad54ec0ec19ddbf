"""Tokens by which devices log in to the registry of images."""

from typing import Annotated, Final

from attrs import frozen
from msgspec import Meta

LOGIN: Final = "registry-login"
"""The audience: our token endpoint takes it with the device's secret; the registry itself does not."""
LOGIN_TYPE: Final = "registry-login+jwt"
"""Nobody takes it for an ID token, or for the registry's own."""
Repository = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9._/-]{0,254}\Z")]


@frozen
class IssueRegistryToken:
    """`ironflock.auth.registry_token.issue`: the device is to pull from these repositories."""

    device_key: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    repositories: Annotated[list[Repository], Meta(max_length=500)]
