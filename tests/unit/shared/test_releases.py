"""What a release asks for: only what agents survive and people can be told."""

import pytest

from shared.errors import InvalidArgumentError, OverLimitError
from shared.releases import NOTHING, Contents, PortRule, VariableTemplate, as_told, check, check_ports


def test_a_release_that_asks_for_nothing_is_one() -> None:
    check(NOTHING)
    assert NOTHING.needs_develop == []


def test_a_release_that_asks_for_much_is_one() -> None:
    variables = {
        "MODE": VariableTemplate(default="fast", choices=["fast", "slow"], description="how"),
        "TOKEN": VariableTemplate(is_secret=True, is_required=True),
    }
    compose = {"services": {"web": {"image": "a", "devices": ["/dev/a"]}}}
    contents = Contents(variables, [PortRule(80), PortRule(80, protocol="tcp")], compose)
    check(contents)
    assert contents.needs_develop == ["services.web.devices"]


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("APP_AUTH_SECRET", VariableTemplate()),
        ("A", VariableTemplate(default="x", is_secret=True)),
        ("A", VariableTemplate(choices=["x"], is_secret=True)),
        ("A", VariableTemplate(default="z", choices=["x", "y"])),
        ("A", VariableTemplate(default="a\0")),
        ("A", VariableTemplate(choices=["\ud800"])),
        ("A", VariableTemplate(description="\0")),
    ],
)
def test_variables_that_cannot_be_so_are_refused(name: str, variable: VariableTemplate) -> None:
    with pytest.raises(InvalidArgumentError, match=f"environment: {name}"):
        check(Contents({name: variable}))


def test_a_release_has_a_size() -> None:
    with pytest.raises(OverLimitError, match="32 KiB"):
        check(Contents({f"A{n}": VariableTemplate(default="x" * 8_000) for n in range(5)}))


def test_ports_are_told_as_agents_have_them_and_none_is_public() -> None:
    (told,) = as_told([PortRule(22, "ssh", "tcp")])
    assert (told["port"], told["protocol"], told["public"], told["remote_port_environment"]) == (22, "tcp", False, "")


@pytest.mark.parametrize("name", ["APP_KEY", "PATH", "LD_PRELOAD"])
def test_a_port_takes_no_variable_that_is_not_its_own(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match=name):
        check_ports([PortRule(22, remote_port_environment=name)])
    with pytest.raises(InvalidArgumentError, match="twice"):
        check_ports([PortRule(22), PortRule(22)])
