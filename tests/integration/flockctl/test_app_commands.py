"""`flockctl app` against a router that plays the platform: it takes what the service takes."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from services.privileges.records.apps import AppTransfer, AppTransferList, NameApp, OfferApp
from services.realms.records import apps, installs, projects
from services.realms.records.values import LegacyMode, Stage
from shared.errors import InvalidArgumentError
from shared.procedures import NoArguments, decode, plain
from tests.integration.flockctl.command_line import CommandLine, heard
from tests.integration.flockctl.fake_router import FakeRouter, RefusedError

SINCE: Final = datetime(2026, 11, 25, 9, tzinfo=UTC)
IMAGE: Final = "registry.example.com/press@sha256:" + "0a" * 32
APP: Final = apps.App(4, "press\x1b[31m", "for presses", 1, is_public=True, created_at=SINCE)
RELEASE: Final = apps.Release(8, 4, "1.4.0", IMAGE, has_data_template=True, has_compose=False, created_at=SINCE)
INSTALL: Final = installs.Install(3, 4, "press", Stage.PROD, 8, "1.4.0", SINCE)
EMPTY: Final = installs.Install(3, 5, "saw", Stage.DEV, None, None, SINCE)
ASKED: Final = installs.Access(3, 4, "press", "saw", "to draw it", is_granted=True, granted_at=SINCE)
PENDING: Final = installs.Access(3, 4, "press", "*", "", is_granted=False, granted_at=None)
PROJECT: Final = projects.Project(
    3,
    "plant",
    "",
    1,
    SINCE,
    requires_factor=False,
    requires_same_address=True,
    legacy_mode=LegacyMode.DUAL,
    legacy_until=SINCE,
    region="default",
    cluster="first",
    cell="first",
)
PROCEDURES: Final[dict[str, tuple[type[Any], Any]]] = {
    "app.create": (apps.CreateApp, APP),
    "app.list": (apps.ListApps, apps.AppPage([APP], None)),
    "app.show": (apps.NameApp, APP),
    "app.rename": (apps.RenameApp, APP),
    "app.publish": (apps.PublishApp, APP),
    "app.delete": (apps.NameApp, None),
    "release.create": (apps.CreateRelease, RELEASE),
    "release.list": (apps.ListReleases, apps.ReleasePage([RELEASE], None)),
    "release.show": (
        apps.NameRelease,
        apps.WholeRelease(
            8, 4, "1.4.0", IMAGE, {"data": {}}, {}, [], {"services": {}}, ["services.web.privileged"], created_at=SINCE
        ),
    ),
    "install.create": (installs.CreateInstall, INSTALL),
    "install.list": (projects.NameProject, installs.InstallList([INSTALL, EMPTY])),
    "install.delete": (installs.NameInstall, None),
    "access.list": (projects.NameProject, installs.AccessList([PENDING, ASKED])),
    "access.grant": (installs.NameAccess, None),
    "access.revoke": (installs.NameAccess, None),
    "project.require_same_address": (projects.RequireSameAddress, PROJECT),
    "project.set_legacy_mode": (projects.SetLegacyMode, PROJECT),
}
ALIASES: Final = ",".join(["*{0}"] * 10)
BOMB: Final = "a: &a [x]\n" + "".join(
    f"{after}: &{after} [{ALIASES.format(before)}]\n" for before, after in zip("abcdefg", "bcdefgh", strict=True)
)
"""Ten million values in some lines."""


def uri(name: str) -> str:
    """The whole name of a procedure of realms."""
    return f"ironflock.realms.{name}"


def answering(payload: type[Any], answer: Any) -> Any:
    def procedure(**arguments: Any) -> Any:
        try:
            decode(payload, arguments)
        except InvalidArgumentError as error:
            raise RefusedError("wamp.error.invalid_argument", error.message) from error
        return plain(answer)

    return procedure


@pytest.fixture(autouse=True)
def _knowing(router: FakeRouter) -> None:
    for name, (payload, answer) in PROCEDURES.items():
        router.script.procedures[uri(name)] = answering(payload, answer)


def test_an_app_is_created_shown_and_listed(router: FakeRouter, flockctl: CommandLine) -> None:
    made = flockctl("app", "create", " press ", "--description", "for presses", "--json")
    shown = flockctl("app", "show", "4", "--json")
    listed = flockctl("app", "list")

    assert made.json == shown.json == {"app": plain(APP)}
    assert listed.out.splitlines()[0].split() == ["KEY", "NAME", "DESCRIPTION", "OWNER", "PUBLIC", "CREATED"]
    assert "\x1b" not in listed.out
    assert "public" in listed.out
    assert heard(router, uri("app.create")) == [{"name": "press", "description": "for presses"}]
    assert heard(router, uri("app.show")) == [{"app": 4}]


def test_an_app_is_renamed_published_and_not_any_more(router: FakeRouter, flockctl: CommandLine) -> None:
    assert flockctl("app", "rename", "press", "Saw", "--json").json == {"app": plain(APP)}
    assert flockctl("app", "publish", "press", "--json").status == 0
    assert flockctl("app", "publish", "4", "--off").status == 0

    assert heard(router, uri("app.rename")) == [{"app": "press", "name": "Saw"}]
    assert heard(router, uri("app.publish")) == [{"app": "press", "is_public": True}, {"app": 4, "is_public": False}]


def test_a_release_takes_its_template_from_yaml(router: FakeRouter, flockctl: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "data-template.yml"
    file.write_text("data: {tables: []}\nconsumes:\n  - app: '*'\nsince: 2026-01-02\n")

    with_it = flockctl("app", "release", "press", "1.4.0", "--image", IMAGE, "--data-template", str(file), "--json")
    without = flockctl("app", "release", "4", "1.4.1", "--image", IMAGE)
    listed = flockctl("app", "releases", "press", "--json")

    assert with_it.json == {"release": plain(RELEASE)}
    assert without.out.splitlines()[1].split()[:3] == ["1.4.0", IMAGE, "yes"]
    assert listed.json == {"releases": [plain(RELEASE)]}
    said = {"app": "press", "version": "1.4.0", "image": IMAGE}
    template = {"data": {"tables": []}, "consumes": [{"app": "*"}], "since": "2026-01-02"}
    assert heard(router, uri("release.create")) == [
        {**said, "data_template": template},
        {**said, "app": 4, "version": "1.4.1"},
    ]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "unreadable_template"),
        ("", "malformed_template"),
        ("- a\n", "malformed_template"),
        ("a: [", "malformed_template"),
        ("a: !!python/object/apply:os.system ['true']", "malformed_template"),
        ("x" * 300_000, "malformed_template"),
        (BOMB, "malformed_template"),
        ("a: &a [*a]\n", "malformed_template"),
    ],
    ids=["none", "empty", "list", "broken", "code", "large", "bomb", "loop"],
)
def test_what_is_no_template_is_refused_before_anything_is_sent(
    router: FakeRouter, flockctl: CommandLine, tmp_path: Path, content: str | None, code: str
) -> None:
    file = tmp_path / "data-template.yml"
    if content is not None:
        file.write_text(content)

    ended = flockctl("app", "release", "press", "1.0", "--image", IMAGE, "--data-template", str(file), "--json")

    assert (ended.status, ended.error["code"], ended.out) == (1, code, "")
    assert router.script.sessions == []


def test_an_app_is_installed_and_what_is_installed_listed(router: FakeRouter, flockctl: CommandLine) -> None:
    made = flockctl("app", "install", "press", "--project", "plant", "--stage", "prod", "--json")
    older = flockctl("app", "install", "4", "--project", "3", "--stage", "DEV", "--version", "1.3")
    listed = flockctl("app", "installs", "--project", "plant")

    assert made.json == {"install": plain(INSTALL)}
    assert older.out.splitlines()[1].split()[:4] == ["4", "press", "PROD", "1.4.0"]
    assert [line.split()[:4] for line in listed.out.splitlines()[1:]] == [
        ["4", "press", "PROD", "1.4.0"],
        ["5", "saw", "DEV", "-"],
    ]
    assert heard(router, uri("install.create")) == [
        {"project": "plant", "app": "press", "stage": "PROD"},
        {"project": 3, "app": 4, "stage": "DEV", "version": "1.3"},
    ]
    assert heard(router, uri("install.list")) == [{"project": "plant"}]


def test_many_uninstalls_are_confirmed_and_not_without_a_word(router: FakeRouter, flockctl: CommandLine) -> None:
    uri, words = "ironflock.devices.install.confirm", ("app", "confirm-uninstalls", "--project", "plant")
    gone = [{"project_key": 3, "app_key": 26, "stage": "PROD"}]
    router.script.procedures[uri] = lambda **_: {"installs": gone}

    assert flockctl(*words).status != 0
    assert heard(router, uri) == []
    assert flockctl(*words, "--yes", "--json").json == {"installs": gone}
    assert "26 (PROD) is gone" in flockctl(*words, "--yes").out
    assert heard(router, uri) == [{"project": "plant"}] * 2


def test_uninstalling_asks_first(router: FakeRouter, flockctl: CommandLine) -> None:
    words = ("app", "uninstall", "press", "--project", "plant", "--stage", "dev")

    assert flockctl(*words, "--json").error["code"] == "not_confirmed"
    assert router.script.sessions == []
    ended = flockctl(*words, "--yes", "--json")

    which = {"project": "plant", "app": "press", "stage": "DEV"}
    assert ended.json == {"uninstalled": which}
    assert heard(router, uri("install.delete")) == [which]


@pytest.mark.parametrize("stage", ["", "test", "prod ", "\x1b"])
def test_a_stage_is_dev_or_prod(router: FakeRouter, flockctl: CommandLine, stage: str) -> None:
    for verb in ("install", "uninstall"):
        ended = flockctl("app", verb, "press", "--project", "plant", "--stage", stage, "--json")
        assert (ended.status, ended.error["code"], ended.error["argument"]) == (2, "invalid_argument", "stage")
    assert router.script.sessions == []


def test_access_is_listed_granted_and_revoked(router: FakeRouter, flockctl: CommandLine) -> None:
    for_programs = flockctl("app", "access", "list", "--project", "plant", "--json")
    for_people = flockctl("app", "access", "list", "--project", "3")
    granted = flockctl("app", "access", "grant", "press", "*", "--project", "plant", "--json")
    revoked = flockctl("app", "access", "revoke", "4", "Saw", "--project", "3")

    assert for_programs.json == {"access": [plain(PENDING), plain(ASKED)]}
    assert [line.split()[:3] for line in for_people.out.splitlines()[1:]] == [
        ["press", "*", "asked"],
        ["press", "saw", "granted"],
    ]
    assert granted.json == {"granted": {"project": "plant", "app": "press", "provider": "*"}}
    assert revoked.out == "4 may not read Saw any more\n"
    assert heard(router, uri("access.grant")) == [{"project": "plant", "app": "press", "provider": "*"}]
    assert heard(router, uri("access.revoke")) == [{"project": 3, "app": 4, "provider": "Saw"}]


def test_old_containers_are_let_in_for_a_while(router: FakeRouter, flockctl: CommandLine) -> None:
    for_people = flockctl("project", "legacy-mode", "plant", "DUAL", "--until", "2027-01-01T00:00:00Z")
    for_programs = flockctl("project", "legacy-mode", "3", "strict", "--json")

    assert for_people.out.startswith("dual until 2026-11-25")
    assert for_programs.json == {"project": plain(PROJECT)}
    assert heard(router, uri("project.set_legacy_mode")) == [
        {"project": "plant", "mode": "dual", "ends_at": "2027-01-01T00:00:00Z"},
        {"project": 3, "mode": "strict"},
    ]
    assert flockctl("project", "require-same-address", "plant", "--off").status == 0
    assert heard(router, uri("project.require_same_address")) == [{"project": "plant", "required": False}]
    assert flockctl("project", "legacy-mode", "plant", "none", "--json").error["code"] == "invalid_argument"


def test_rights_on_an_app_are_given_by_its_name(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures["ironflock.privileges.grant.give"] = lambda **_: None

    assert flockctl("grant", "anna@example.com", "RELEASE", "--on", "app:press").status == 0

    assert heard(router, uri("app.show")) == [{"app": "press"}]
    (given,) = heard(router, "ironflock.privileges.grant.give")
    assert (given["kind"], given["key"]) == ("app", 4)


def test_a_release_takes_what_it_asks_for(router: FakeRouter, flockctl: CommandLine, tmp_path: Path) -> None:
    variables, compose = tmp_path / "variables.yml", tmp_path / "compose.yml"
    variables.write_text("MODE: {default: fast, choices: [fast, slow]}\nTOKEN: {is_secret: true, is_required: true}\n")
    compose.write_text("services: {web: {image: a, privileged: true}}\n")
    files = ["--environment", str(variables), "--compose", str(compose)]

    made = flockctl("app", "release", "press", "1.5", "--image", IMAGE, *files, "--port", "80", "--port", "22/tcp")
    bad = flockctl("app", "release", "press", "1.5", "--image", IMAGE, "--port", "ssh")

    assert (made.status, bad.status != 0) == (0, True)
    (said,) = heard(router, uri("release.create"))
    assert said["environment"]["TOKEN"] == {"is_secret": True, "is_required": True}
    assert said["compose"] == {"services": {"web": {"image": "a", "privileged": True}}}
    assert said["ports"] == [{"port": 80}, {"port": 22, "protocol": "tcp"}]


def test_one_release_is_shown_with_its_template_for_programs(router: FakeRouter, flockctl: CommandLine) -> None:
    for_people = flockctl("app", "show-release", "press", "1.4.0")
    for_programs = flockctl("app", "show-release", "4", "1.4.0", "--json")

    assert IMAGE in for_people.out
    assert for_programs.json["release"]["data_template"] == {"data": {}}
    assert "needs DEVELOP there: services.web.privileged" in for_people.err
    assert heard(router, uri("release.show")) == [{"app": "press", "version": "1.4.0"}, {"app": 4, "version": "1.4.0"}]


def test_an_app_is_deleted_once_somebody_says_yes(router: FakeRouter, flockctl: CommandLine) -> None:
    assert flockctl("app", "delete", "press", "--json").error["code"] == "not_confirmed"
    assert heard(router, uri("app.delete")) == []

    assert flockctl("app", "delete", "press", "--yes", "--json").json == {"deleted": "press"}
    assert heard(router, uri("app.delete")) == [{"app": "press"}]


def test_an_app_is_handed_over(router: FakeRouter, flockctl: CommandLine) -> None:
    offered = AppTransfer(4, "press", 5, 6, "bert@plant.example", SINCE, SINCE)
    answers: dict[str, tuple[type[Any], Any]] = {
        "offer": (OfferApp, offered),
        "accept": (NameApp, None),
        "withdraw": (NameApp, None),
        "list": (NoArguments, AppTransferList([offered])),
    }
    for name, (payload, answer) in answers.items():
        router.script.procedures[f"ironflock.privileges.app_transfer.{name}"] = answering(payload, answer)

    words = ("app", "transfer")
    made = flockctl(*words, "offer", "press", "--to", "bert@plant.example", "--because", "moves", "--json").json
    assert made["transfer"]["to_login_name"] == "bert@plant.example"
    assert "bert@plant.example" in flockctl(*words, "list").out
    assert flockctl(*words, "accept", "4", "--json").json == {"accepted": 4}
    assert flockctl(*words, "withdraw", "press", "--json").json == {"withdrawn": "press"}

    said = {"app": "press", "account": "bert@plant.example", "reason": "moves"}
    assert heard(router, "ironflock.privileges.app_transfer.offer") == [said]
