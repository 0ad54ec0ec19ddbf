"""A sign-in that takes the place of another: nothing is left that opens, and that nobody can end."""

from pathlib import Path

import pytest
from typing_extensions import override

from deploy.flockctl.commands.signing_in import keep
from deploy.flockctl.errors import AwayError
from deploy.flockctl.provider import OAuthError, Provider, Tokens
from deploy.flockctl.sign_in_file import SignInFile

FIRST, SECOND = (Tokens(f"access {n}", f"refresh {n}", 600, "openid all") for n in (1, 2))


class Recorded(Provider):
    """Remembers what was revoked."""

    def __init__(self, refusal: Exception | None = None) -> None:
        super().__init__("https://accounts.test", None)
        self.revoked: list[str] = []
        self.refusal = refusal

    @override
    def revoke(self, refresh_token: str) -> None:
        self.revoked.append(refresh_token)
        if self.refusal is not None:
            raise self.refusal


@pytest.mark.parametrize("refusal", [None, OAuthError("invalid_request"), AwayError("away")])
def test_the_sign_in_before_ends_and_the_new_one_is_kept_whatever_comes(
    tmp_path: Path, refusal: Exception | None
) -> None:
    file, provider = SignInFile(tmp_path / "ironflock" / "accounts.json"), Recorded(refusal)
    keep(file, provider, FIRST)
    assert provider.revoked == []

    keep(file, provider, SECOND)

    assert provider.revoked == ["refresh 1"]
    kept = file.read()
    assert kept is not None
    assert (kept.access_token, kept.refresh_token) == ("access 2", "refresh 2")
    assert file.path.stat().st_mode & 0o077 == 0
