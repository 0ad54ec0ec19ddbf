"""flockctl signs in with a browser, acts as its person, makes keys, and is gone when its session ends."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.harness.clients import Account, new_name
from tests.harness.commands import FLOCKCTL, Flockctl
from tests.harness.running import RunningPlatform
from tests.harness.site import letters_to, new_person, path_of
from tests.integration.auth.browsers import Browser

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


class Login:
    """A `flockctl login` that waits for its person."""

    def __init__(self, platform: RunningPlatform, folder: Path, *words: str) -> None:
        self.environment = {**platform.environment, "IRONFLOCK_CONFIG_HOME": str(folder / "config")}
        self.process = subprocess.Popen(
            [FLOCKCTL, "login", "--json", *words],
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.asked: dict[str, str] = json.loads(self.process.stderr.readline())

    async def decide(self, browser: Browser, decision: str) -> dict[str, Any]:
        """Let it in, or not, in the browser; what the command ended with."""
        await browser.get(path_of(self.asked["verification_uri"]))
        await browser.submit("/device")
        assert self.asked["user_code"] in browser.text
        assert await browser.submit("/device/decide", decision=decision) == 200
        out, err = self.process.communicate(timeout=60)
        content: dict[str, Any] = json.loads(out or err)
        return content


@pytest.fixture
def signed_in_flockctl(ironflock: RunningPlatform, tmp_path: Path) -> Flockctl:
    """Flockctl with a folder of its own for its sign-in, and no other key."""
    flockctl = Flockctl(ironflock, tmp_path)
    flockctl._environment = {**ironflock.environment, "IRONFLOCK_CONFIG_HOME": str(tmp_path / "config")}
    return flockctl


async def test_a_person_signs_in_makes_keys_and_signs_out(
    ironflock: RunningPlatform, owner: Account, signed_in_flockctl: Flockctl, tmp_path: Path
) -> None:
    address, browser = await new_person(ironflock, owner)
    login = Login(ironflock, tmp_path)
    assert (await login.decide(browser, "allow"))["account"]["login_name"] == address
    flockctl = signed_in_flockctl
    (file,) = (tmp_path / "config" / "ironflock").glob("*.json")
    assert file.stat().st_mode & 0o777 == 0o600

    assert flockctl.json("whoami")["login_name"] == address
    made = flockctl.json("api-key", "create", "line 4", "--scope", "read", "--days", "7", "--out", "key")["api_key"]
    key = (tmp_path / "key").read_text().strip()
    assert key.startswith(f"ifk_{made['key_id']}_")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    by_key = ("--api-key-file", str(tmp_path / "key"))
    assert flockctl.json("whoami", *by_key)["login_name"] == address
    assert flockctl.run("project", "create", "x", *by_key).error["code"] == "not_authorized"

    rotated = flockctl.json("api-key", "rotate", made["key_id"], "--out", "next", "--overlap", "1")["api_key"]
    listed = {each["key_id"]: each for each in flockctl.json("api-key", "list")["api_keys"]}
    assert listed[rotated["key_id"]]["rotated_from"] == made["key_id"]
    assert listed[made["key_id"]]["last_address"] == "127.0.0.1"
    flockctl.json("api-key", "revoke", made["key_id"], "--because", "a test")
    assert flockctl.run("whoami", *by_key).error["code"] == "not_authenticated"


async def test_a_person_gives_keys_to_a_service_account(
    ironflock: RunningPlatform, owner: Account, signed_in_flockctl: Flockctl, tmp_path: Path
) -> None:
    address, browser = await new_person(ironflock, owner)
    await Login(ironflock, tmp_path).decide(browser, "allow")
    flockctl = signed_in_flockctl

    account = flockctl.json("service-account", "create", "historian")["service_account"]
    flockctl.json("api-key", "create", "its key", "--of", str(account["account_key"]), "--out", "service")
    assert flockctl.json("whoami", "--api-key-file", "service")["account_key"] == account["account_key"]
    flockctl.json("service-account", "end", str(account["account_key"]), "--yes")
    assert flockctl.run("whoami", "--api-key-file", "service").error["code"] == "not_authenticated"
    assert flockctl.json("service-account", "list") == {"service_accounts": []}

    flockctl.json("account", "export", "--out", "me.json")
    assert address in (tmp_path / "me.json").read_text()
    assert any("API key" in letter.get_content() for letter in letters_to(ironflock, address))

    assert flockctl.json("logout") == {"signed_out": True}
    assert flockctl.json("logout") == {"signed_out": False}
    assert flockctl.json("whoami")["login_name"] == "owner@localhost"


async def test_ending_the_session_elsewhere_signs_flockctl_out(
    ironflock: RunningPlatform, owner: Account, signed_in_flockctl: Flockctl, tmp_path: Path
) -> None:
    address, browser = await new_person(ironflock, owner)
    login = Login(ironflock, tmp_path, "--read-only")
    assert (await login.decide(browser, "allow"))["account"]["login_name"] == address
    assert signed_in_flockctl.run("project", "create", "x").error["code"] == "not_authorized"
    sessions = signed_in_flockctl.json("account", "sessions")["sessions"]
    assert [each["client"] for each in sessions if each["is_this"]] == ["flockctl"]

    await browser.get("/account/sessions")
    await browser.submit("/account/sessions/end-others")

    assert signed_in_flockctl.run("whoami").error["code"] == "signed_out"


async def test_a_sign_in_that_is_refused_gets_nothing(
    ironflock: RunningPlatform, owner: Account, tmp_path: Path
) -> None:
    _, browser = await new_person(ironflock, owner)
    login = Login(ironflock, tmp_path)

    assert (await login.decide(browser, "refuse"))["error"]["code"] == "refused"

    assert login.process.returncode == 1
    assert list((tmp_path / "config").rglob("*.json")) == []


async def test_two_at_once_renew_one_sign_in_once(
    ironflock: RunningPlatform, owner: Account, signed_in_flockctl: Flockctl, tmp_path: Path
) -> None:
    _, browser = await new_person(ironflock, owner)
    await Login(ironflock, tmp_path).decide(browser, "allow")
    (file,) = (tmp_path / "config" / "ironflock").glob("*.json")
    kept = json.loads(file.read_text())
    file.write_text(json.dumps({**kept, "ends_at": 0}))

    words = [FLOCKCTL, "whoami", "--json"]
    env = signed_in_flockctl._environment
    ended = await asyncio.gather(
        *(asyncio.to_thread(subprocess.run, words, cwd=tmp_path, env=env, capture_output=True) for _ in range(4))
    )

    assert [(each.returncode, each.stderr) for each in ended] == [(0, b"")] * 4
    assert json.loads(file.read_text())["refresh_token"] != kept["refresh_token"]


async def test_the_first_owner_registers_applications_of_every_kind(flockctl: Flockctl) -> None:
    web = flockctl.json(
        "client", "register", new_name("web"), "--redirect-uri", "https://a.example/", "--out", "secret"
    )
    assert len((flockctl.folder / "secret").read_text().strip()) > 30
    device = flockctl.json(
        "client", "register", new_name("tv"), "--grant", "device", "--grant", "refresh", "--auth-method", "none"
    )
    assert device["client"]["client_secret"] is None
    account = flockctl.json("service-account", "create", new_name("robot"))["service_account"]["account_key"]
    own = ("--grant", "own", "--of", str(account), "--scope", "read", "--out", "-")
    robot = flockctl.json("client", "register", new_name("robot"), *own)

    listed = {each["client_id"]: each for each in flockctl.json("client", "list")["clients"]}
    assert {each["client"]["client_id"] for each in (web, device, robot)} <= set(listed)
    assert flockctl.run("client", "register", "x", "--redirect-uri", "https://a.example/").error["code"] == "usage"
    flockctl.json("client", "end", web["client"]["client_id"], "--yes")
    flockctl.json("service-account", "end", str(account), "--yes")
