"""The site of the running platform as a stranger finds it: who may frame it, send its forms, or lead it elsewhere."""

import http.client
import re
from contextlib import closing
from typing import Final
from urllib.parse import urlencode

import pytest

from tests.harness.running import RunningPlatform

pytestmark = pytest.mark.real
FORM: Final = "application/x-www-form-urlencoded"


class Visitor:
    """One browser, with its cookies."""

    def __init__(self, platform: RunningPlatform) -> None:
        self.host = f"localhost:{platform.ports.accounts}"
        self._tls = platform.tls
        self.jar: dict[str, str] = {}

    def ask(
        self, method: str, path: str, body: str | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, str]:
        kept = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPSConnection(self.host, timeout=20, context=self._tls)) as connection:
            connection.request(method, path, body, {"cookie": kept, **said})
            answer = connection.getresponse()
            text = answer.read().decode()
        for given in answer.headers.get_all("set-cookie") or []:
            name, _, rest = given.partition("=")
            self.jar[name] = rest.partition(";")[0]
        return answer.status, answer.headers, text

    def token(self, path: str = "/sign-in") -> str:
        found = re.search(r'name="form_token" value="([\w-]+)"', self.ask("GET", path)[2])
        assert found is not None
        return found[1]

    def send(self, path: str, **fields: str) -> tuple[int, http.client.HTTPMessage, str]:
        own = {"origin": f"https://{self.host}", "sec_fetch_site": "same-origin", "content_type": FORM}
        return self.ask("POST", path, urlencode(fields), **own)


@pytest.fixture(name="visitor")
def fixture_visitor(ironflock: RunningPlatform) -> Visitor:
    return Visitor(ironflock)


def test_the_first_page_leads_to_the_sign_in_which_nobody_frames(visitor: Visitor) -> None:
    status, headers, _ = visitor.ask("GET", "/")
    assert (status, headers["location"]) == (303, "/sign-in")

    status, headers, text = visitor.ask("GET", "/sign-in")

    assert (status, headers["x-frame-options"]) == (200, "DENY")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "<form" in text


def test_a_wrong_password_is_refused_and_a_form_of_another_site_before_it_is_looked_at(visitor: Visitor) -> None:
    fields = {"login_name": "nobody@example.com", "password": "x" * 20, "form_token": visitor.token()}

    assert visitor.send("/sign-in", **fields)[0] == 403
    status, headers, text = visitor.ask(
        "POST", "/sign-in", urlencode(fields), origin="https://evil.example", content_type=FORM
    )
    assert status == 403
    assert "not sent from here" in text
    assert not [each for each in headers.get_all("set-cookie") or [] if "session" in each]


def test_a_form_for_another_browser_is_refused(visitor: Visitor, ironflock: RunningPlatform) -> None:
    visitor.token()

    status, _, text = visitor.send("/sign-in", login_name="x", password="y", form_token=Visitor(ironflock).token())

    assert status == 403
    assert "not sent from here" in text


def test_the_site_answers_for_its_own_name_alone(visitor: Visitor) -> None:
    assert visitor.ask("GET", "/sign-in", host="evil.example")[0] == 421
    assert visitor.ask("GET", "/sign-in", host="127.0.0.1")[0] == 421


@pytest.mark.parametrize("path", ["/account", "/account/sign-in", "/account/data/export", "/step-up"])
def test_a_stranger_sees_no_account(visitor: Visitor, path: str) -> None:
    status, headers, _ = visitor.ask("GET", path)

    assert status == 303
    assert headers["location"].startswith("/sign-in?return_to=")


def test_too_much_is_refused_and_the_next_visitor_is_served(visitor: Visitor, ironflock: RunningPlatform) -> None:
    assert visitor.ask("POST", "/sign-in", "a=" + "b" * 70_000, content_type=FORM)[0] == 413

    assert Visitor(ironflock).ask("GET", "/sign-in")[0] == 200
