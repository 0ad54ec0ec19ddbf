"""Several installations under names."""

import json
from pathlib import Path

import pytest

from deploy.flockctl.__main__ import run
from deploy.flockctl.errors import CommandError
from deploy.flockctl.profiles import Profile, Profiles, apply_profile, checked_name, read_profiles, write_profiles

PLANTS = Profiles("a", {"a": Profile("/srv/a"), "b": Profile("/srv/b", "/keys/b")})


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A user who has two profiles."""
    found = {"IRONFLOCK_CONFIG_HOME": str(tmp_path)}
    write_profiles(found, PLANTS)
    return found


def test_profiles_read_back_as_they_were_written(environ: dict[str, str]) -> None:
    assert read_profiles(environ) == PLANTS
    assert read_profiles({"IRONFLOCK_CONFIG_HOME": "/nowhere"}) == Profiles()


@pytest.mark.parametrize(
    ("said", "before", "state", "key"),
    [
        (None, {}, "/srv/a", None),
        ("b", {}, "/srv/b", "/keys/b"),
        (None, {"IRONFLOCK_PROFILE": "b"}, "/srv/b", "/keys/b"),
        (None, {"IRONFLOCK_LOCAL_STATE": "/here"}, "/here", None),
        ("b", {"IRONFLOCK_LOCAL_STATE": "/here", "IRONFLOCK_API_KEY_FILE": "/mine"}, "/srv/b", "/keys/b"),
        (None, {"IRONFLOCK_PROFILE": "b", "IRONFLOCK_API_KEY_FILE": "/mine"}, "/srv/b", "/mine"),
    ],
)
def test_what_is_said_wins_over_the_environment_and_that_over_the_current_one(
    environ: dict[str, str], said: str | None, before: dict[str, str], state: str, key: str | None
) -> None:
    environ |= before

    apply_profile(said, environ)

    assert environ["IRONFLOCK_LOCAL_STATE"] == state
    assert environ.get("IRONFLOCK_API_KEY_FILE") == key


def test_a_profile_that_there_is_not_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(CommandError) as refused:
        apply_profile("c", environ)

    assert refused.value.code == "no_such_profile"


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a/b", "a" * 41, "ä"])
def test_a_name_that_a_shell_or_a_path_would_stumble_over_is_refused(name: str) -> None:
    with pytest.raises(CommandError):
        checked_name(name)


@pytest.mark.parametrize("text", ["", "[]", '{"current": null}', '{"current": null, "profiles": {"a": {"x": 1}}}'])
def test_a_file_of_something_else_is_refused(environ: dict[str, str], text: str) -> None:
    (Path(environ["IRONFLOCK_CONFIG_HOME"]) / "ironflock" / "profiles.json").write_text(text)

    with pytest.raises(CommandError) as refused:
        read_profiles(environ)

    assert refused.value.code == "unreadable_profiles"


def test_profiles_are_made_chosen_and_forgotten_by_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IRONFLOCK_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("IRONFLOCK_LOCAL_STATE", "/here")

    statuses = [
        run(words.split())
        for words in ("profile add a --at /srv/a", "profile add b --at /srv/b", "profile use b", "profile remove a")
    ]
    assert run(["profile", "list", "--json"]) == 0

    assert statuses == [0, 0, 0, 0]
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told == {"current": "b", "profiles": {"b": {"state": "/srv/b", "api_key_file": None}}}
    assert run(["profile", "use", "a"]) == 1
