"""What a shell completes: asked as bash asks it, of the command itself."""

import os
import subprocess
from pathlib import Path

import pytest

from deploy.flockctl.completion import flags, kinds, profiles, things
from deploy.flockctl.profiles import Profile, Profiles, write_profiles
from tests.harness.commands import FLOCKCTL


@pytest.fixture(name="named")
def fixture_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of two installations that have names."""
    monkeypatch.setenv("IRONFLOCK_CONFIG_HOME", str(tmp_path))
    write_profiles(os.environ, Profiles(profiles={name: Profile(str(tmp_path)) for name in ("mill", "plant-b")}))
    (file,) = tmp_path.rglob("profiles.json")
    return file


def completed(*words: str) -> list[str]:
    """The last of `words` is begun."""
    asked = {"_FLOCKCTL_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [FLOCKCTL], env={**os.environ, **asked}, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout.split()


def test_bash_is_given_commands_and_values(named: Path) -> None:
    assert completed("flockctl", "device", "refl") == ["reflash"]
    assert completed("flockctl", "can", "anna@example.com", "OPER") == ["OPERATE"]
    assert completed("flockctl", "profile", "use", "plant") == ["plant-b"]


def test_of_several_flags_the_last_is_completed() -> None:
    assert flags("READ,DEV") == ["READ,DEVELOP"]
    assert flags("read,dev") == ["read,develop"]
    assert "GRANT" in flags("")
    assert flags("FLY") == []


def test_kinds_and_things_are_those_that_flags_are_held_on() -> None:
    assert kinds("d") == ["device", "data_backend"]
    assert things("de") == ["device:"]
    assert things("inst") == ["installation"]


def test_profiles_that_cannot_be_read_complete_nothing(named: Path) -> None:
    assert profiles("") == ["mill", "plant-b"]
    named.write_text("nonsense", encoding="utf-8")
    assert profiles("") == []
