"""What is a fleet file, and what is none."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.flockctl.errors import CommandError
from deploy.flockctl.fleet.document import DeviceApp, Given, all_grants, parse, read

WHOLE = b"""
projects:
  plant:
    description: north hall
    require_factor: true
    members: [anna@example.com]
    defaults:
      device: [READ]
    apps:
      press-monitor: {prod: {version: "1.4.0"}, dev: }
    devices:
      press-1:
        apps:
          press-monitor: {prod: {version: "1.4.0", running: true}}
      press-2:
    groups:
      line-4:
        devices: [press-1]
        grants:
          anna@example.com: {flags: [READ, OPERATE], until: 2027-01-31T18:00:00+01:00}
    grants:
      anna@example.com: [READ]
"""


def test_every_section_is_read() -> None:
    plant = parse(WHOLE).projects["plant"]

    assert plant is not None
    assert plant.devices["press-2"] is None
    press = plant.devices["press-1"]
    assert press is not None
    assert press.apps == {"press-monitor": {"prod": DeviceApp("1.4.0", running=True)}}
    on_group, on_project = sorted(all_grants(plant), key=lambda grants: isinstance(grants["anna@example.com"], list))
    assert on_project == {"anna@example.com": ["READ"]}
    assert on_group == {"anna@example.com": Given(["READ", "OPERATE"], until=datetime(2027, 1, 31, 17, tzinfo=UTC))}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "Expected `object`, got `null`"),
        ("projects: [plant]", "Expected `object`, got `array`"),
        ("projects: {plant: {colour: red}}", "unknown field `colour` - at `$.projects[...]`"),
        ("projects: {plant: {apps: {press: {prod: {version: 1.4}}}}}", "put it in quotes"),
        ("projects: {plant: {apps: {press: {test: }}}}", "Invalid enum value 'test'"),
        ("projects: {plant: {grants: {anna@example.com: [read]}}}", "matching regex"),
        ("projects: {plant: {grants: {anna: [READ]}}}", "'anna' is no login name"),
        ("projects: {plant: {grants: {a@b.c: {flags: [READ], until: 2027-01-01}}}}", "until"),
        ("projects: {plant: {defaults: {machine: [READ]}}}", "Invalid enum value 'machine'"),
        ("projects: {plant: , Plant: }", "the project 'plant' stands twice"),
        ("projects: {plant: {members: [a@b.c, A@b.c]}}", "the person 'a@b.c' stands twice"),
        ("projects: {plant: {groups: {g: {devices: [d, D]}}}}", "the device 'd' stands twice"),
        ("projects:\n  plant:\n  plant:\n", "line 3: 'plant' stands twice"),
        ("projects: {'12': }", "must not be a number"),
        ("projects: &all {plant: *all}", "aliases are not taken"),
        ("projects: {[1]: 2}", ""),
        ("projects: {plant: !!python/object:os.system {}}", "could not determine a constructor"),
        ("projects: {plant", ""),
        ("\x00", "is no YAML"),
        ("[" * 5_000, ""),
    ],
)
def test_what_is_none_is_refused_with_the_place(content: str, says: str) -> None:
    with pytest.raises(CommandError) as refused:
        parse(content.encode())

    assert refused.value.code == "malformed_fleet"
    assert says in refused.value.message


@given(st.binary(max_size=200) | st.text(alphabet="projects:{}[]\n -&*!1.", max_size=60).map(str.encode))
def test_whatever_it_is_it_is_read_or_refused(content: bytes) -> None:
    with suppress(CommandError):
        parse(content)


def test_a_file_that_cannot_be_read_or_is_too_large_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    with pytest.raises(CommandError) as absent:
        read(file)
    file.write_bytes(b"#" * (4 << 20) + b"##")
    with pytest.raises(CommandError) as large:
        read(file)
    file.write_bytes(WHOLE)

    assert (absent.value.code, large.value.code) == ("unreadable_fleet", "malformed_fleet")
    assert list(read(file).projects) == ["plant"]
