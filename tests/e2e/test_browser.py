"""The site in a real Chromium: the first owner's way through every page, and what axe finds on each.

The walk is `browser/walk.mjs`; its packages are installed by `npm ci` into a cache outside the repository. Pictures of
every page are kept where IRONFLOCK_SCREENSHOTS names a folder.
"""

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deploy.flockctl.provider import Provider
from tests.harness.commands import Flockctl
from tests.harness.node import browser, packages, program
from tests.harness.running import RunningPlatform

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

BROWSER: Final = Path(__file__).parent / "browser"
STEPS: Final = (
    "set_up",
    "pages_of_the_account",
    "authenticator_by_its_qr_code",
    "sign_in_with_a_code",
    "sign_in_with_a_recovery_code",
    "a_passkey_is_added",
    "sign_in_with_the_passkey_alone",
    "the_passkey_as_second_factor",
    "sessions_are_ended",
    "without_scripts",
    "by_the_keyboard_alone",
    "in_german",
    "an_api_key",
    "an_application_is_let_in",
    "a_device_is_let_in",
    "a_copy_of_ones_own_data",
    "sign_out_ends_it",
    "an_account_is_deleted",
    "nothing_went_wrong_in_the_browser",
)
PAGES: Final = frozenset({
    "setup", "setup-refused", "factors-none", "account", "address", "password", "sessions-one", "data",
    "export", "delete", "language", "step-up-password", "no-page", "link-over", "account-saved",
    "authenticator", "authenticator-confirm", "authenticator-wrong", "recovery-codes-shown", "factors-app",
    "signed-out", "sign-in", "sign-in-refused", "second-factor", "second-factor-recovery", "passkey-add",
    "factors-all", "passkey", "passkey-remove", "recovery-codes", "authenticator-remove", "step-up-passkey",
    "second-factor-passkey", "sessions", "sign-in-german", "recovery-german", "sent-german", "sign-out",
    "delete-refused", "deleted",
    "api-keys-none", "api-key-create", "api-key-refused", "api-key-shown", "api-keys", "api-key-rotate",
    "api-key-revoke", "client-refused", "consent", "applications", "applications-none", "device", "device-refused",
    "device-confirm", "device-done",
})  # fmt: skip


@frozen
class Walked:
    """What was done, and what was seen of each page."""

    steps: dict[str, str | None]
    looks: list[dict[str, Any]]


def key_of(certificate: Path) -> str:
    """The hash by which Chromium is told to trust the certificate's key (RFC 7469 section 2.4)."""
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    octets = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(sha256(octets).digest()).decode()


@pytest.fixture(name="platform", scope="module")
def fixture_platform() -> Iterator[RunningPlatform]:
    """A platform of its own: its first owner is set up, and deleted."""
    running = RunningPlatform()
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture(name="walked", scope="module")
def fixture_walked(platform: RunningPlatform, tmp_path_factory: pytest.TempPathFactory) -> Walked:
    chromium, folder = browser(), packages(BROWSER, "ironflock-browser-tests")
    flockctl = Flockctl(platform, tmp_path_factory.mktemp("work"))
    origin = f"https://localhost:{platform.ports.accounts}"
    callback = f"{origin}/app/callback"
    words = (
        "Grafana",
        "--redirect-uri",
        callback,
        "--out",
        "-",
        "--scope",
        "openid",
        "--scope",
        "email",
        "--scope",
        "read",
    )
    client = flockctl.json("client", "register", *words)["client"]
    asked = {
        "response_type": "code", "client_id": client["client_id"], "redirect_uri": callback,
        "scope": "openid email read", "code_challenge": "c" * 43, "code_challenge_method": "S256",
    }  # fmt: skip
    link = flockctl.json("account", "setup")["url"]
    told = {
        "authorize": f"/oauth/authorize?{urlencode(asked)}",
        "astray": f"/oauth/authorize?{urlencode({**asked, 'redirect_uri': 'https://evil.example/'})}",
        "user_code": Provider(origin, platform.state.ca_certificate).begin("read").user_code,
        "executable": chromium,
        "spki": key_of(platform.state.tls / "auth.pem"),
        "origin": origin,
        "setup": link,
        "login_name": "owner@localhost",
        "pictures": os.environ.get("IRONFLOCK_SCREENSHOTS"),
    }
    done = subprocess.run(
        [program("node"), "walk.mjs"],
        cwd=folder,
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    steps = {line["step"]: line.get("failed") for line in lines if "step" in line}
    return Walked(steps, [line for line in lines if "page" in line])


@pytest.mark.parametrize("step", STEPS)
def test_the_first_owner_goes_their_way(walked: Walked, step: str) -> None:
    assert step in walked.steps, "a step before it failed"
    assert walked.steps[step] is None


def test_every_step_and_every_page_is_named_here(walked: Walked) -> None:
    assert tuple(walked.steps) == STEPS
    assert {look["page"] for look in walked.looks} == PAGES


@pytest.mark.parametrize("page", sorted(PAGES))
def test_axe_finds_no_violation_and_nothing_is_wider_than_the_screen(walked: Walked, page: str) -> None:
    looks = [look for look in walked.looks if look["page"] == page]

    assert {(look["size"], look["scheme"]) for look in looks} == {
        ("desktop", "light"),
        ("desktop", "dark"),
        ("phone", "light"),
    }
    for look in looks:
        assert look["violations"] == [], f"{look['size']}, {look['scheme']}"
        assert look["wide"] <= 0
