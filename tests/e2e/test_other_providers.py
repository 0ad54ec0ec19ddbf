"""A platform where people come by another provider: over its real listeners, until they are out there, and so here."""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.test_browser import BROWSER, key_of
from tests.harness.node import browser, packages, program
from tests.harness.running import RunningPlatform
from tests.harness.site import browser_on
from tests.harness.waiting import eventually
from tests.integration.auth.browsers import Browser
from tests.integration.auth.relying import onward
from tests.integration.auth.standin import CLIENT, SECRET, StandIn, as_json
from tests.integration.flockctl.certificates import make_certificates

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


@pytest.fixture(scope="module")
def platform() -> Iterator[RunningPlatform]:
    running = RunningPlatform()
    yield running
    running.stop()


@pytest.fixture(scope="module", name="standin")
def fixture_standin(platform: RunningPlatform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    tmp_path = tmp_path_factory.mktemp("works")
    (tmp_path / "works.secret").write_text(SECRET)

    def now() -> float:
        with platform.database() as connection:
            row = connection.execute("SELECT extract(epoch FROM now())::float8").fetchone()
        assert row is not None
        return float(row[0])

    with StandIn(make_certificates(tmp_path), now) as standin:
        file = tmp_path / "upstream.toml"
        file.write_text(
            f'[[provider]]\nname = "works"\ntitle = "Works"\nissuer = "{standin.issuer}"\nclient_id = "{CLIENT}"\n'
            'client_secret_file = "works.secret"\ntrusts_addresses = true\nca = "ca.pem"\n'
        )
        platform.environment |= {"IRONFLOCK_AUTH_UPSTREAM_FILE": str(file), "IRONFLOCK_AUTH_SIGN_UP": "open"}
        platform.start()
        yield standin


async def test_somebody_comes_by_another_provider_and_is_out_when_they_are_out_there(
    platform: RunningPlatform, standin: StandIn
) -> None:
    standin.claims = {"email": "bea@example.com", "email_verified": True, "name": "Bea", "sid": "s1"}
    standin.given = {"refresh_token": "first"}

    async def came() -> Browser:
        browser = browser_on(platform)
        assert await browser.get("/sign-in") == 200
        assert "Continue with Works" in browser.text
        assert await browser.submit("/upstream/works") == 200
        assert await browser.get(standin.authorize(onward(browser))) == 200, browser.text
        assert browser.at == "/account"
        assert "Bea" in browser.text
        return browser

    async def is_out(browser: Browser) -> bool:
        await browser.get("/account")
        return browser.at == "/sign-in"

    first = await came()
    logout = await asyncio.to_thread(standin.logout_token, sid="s1")
    answer = await first.post("/upstream/works/logout", {"logout_token": logout}, {})
    assert (answer.status, answer.body) == (200, b"{}")
    assert await is_out(first)

    second = await came()
    standin.answers["/token"] = lambda *_: as_json({"error": "invalid_grant"}, 400)
    with platform.database() as connection:
        connection.execute("UPDATE auth.upstream_session SET next_check_at = now()")
    await eventually(lambda: is_out(second), 30.0, "the session has ended")
    del standin.answers["/token"]


async def test_in_a_real_browser_the_way_there_and_back_is_open_and_its_pages_are_sound(
    platform: RunningPlatform, standin: StandIn
) -> None:
    chromium, folder = browser(), packages(BROWSER, "ironflock-browser-tests")
    standin.sub, standin.given = "u-2", {}
    standin.claims = {"email": "cleo@example.com", "email_verified": True, "name": "Cleo"}
    standin.answers["/authorize"] = lambda target, *_: (
        303, {"location": f"https://localhost:{platform.ports.accounts}{standin.authorize(target)}"}, b"",
    )  # fmt: skip
    told = {
        "executable": chromium,
        "spki": f"{key_of(platform.state.tls / 'auth.pem')},{key_of(standin.certificates.certificate)}",
        "origin": f"https://localhost:{platform.ports.accounts}",
        "pictures": os.environ.get("IRONFLOCK_SCREENSHOTS"),
    }
    done = await asyncio.to_thread(
        subprocess.run,
        [program("node"), "elsewhere.mjs"],
        cwd=folder,
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    looks = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({look["page"] for look in looks}) == 7
    assert [
        (look["page"], look["violations"], look["wide"]) for look in looks if look["violations"] or look["wide"]
    ] == []
