"""Every command of flockctl tells the same way: help on each option, --json, an example that it would take."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from attrs import frozen

from deploy.flockctl.__main__ import HELP, NOUNS, make_app, noun_of
from deploy.flockctl.errors import ExitStatus

ROOT: Any = typer.main.get_command(make_app())
README = (Path(__file__).parents[3] / "deploy" / "flockctl" / "README.md").read_text(encoding="utf-8")


@frozen
class Leaf:
    """A command, and the words that lead to it."""

    path: tuple[str, ...]
    command: Any

    @property
    def name(self) -> str:
        return " ".join(self.path)

    @property
    def examples(self) -> list[str]:
        """The paragraphs of its help that begin as somebody would type them."""
        paragraphs = (" ".join(each.split()) for each in (self.command.help or "").split("\n\n"))
        found = (each.removeprefix("Example: ").removeprefix("Examples: ") for each in paragraphs)
        return [each for each in found if each.startswith(f"flockctl {self.name}")]


def leaves(command: Any = ROOT, path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """All commands."""
    if not hasattr(command, "commands"):
        yield Leaf(path, command)
        return
    for name, below in sorted(command.commands.items()):
        yield from leaves(below, (*path, name))


LEAVES = list(leaves())
each_command = pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.name)


def test_there_are_as_many_as_one_thinks() -> None:
    assert len(LEAVES) > 160


@pytest.mark.parametrize("noun", NOUNS)
def test_a_noun_alone_has_all_of_its_verbs(noun: str) -> None:
    alone: Any = typer.main.get_command(make_app(noun))

    assert [leaf.path for leaf in leaves(alone)] == [leaf.path for leaf in LEAVES if leaf.path[0] == noun]


@pytest.mark.parametrize("words", [[], ["status"], ["--help"], ["--profile", "app", "device", "list"], ["nothing"]])
def test_what_does_not_begin_with_a_noun_is_looked_for_among_all(words: list[str]) -> None:
    assert noun_of(words) is None


@each_command
def test_a_command_says_what_it_does_and_what_each_word_means(leaf: Leaf) -> None:
    first = (leaf.command.help or "").split("\n\n")[0]

    assert first.rstrip().endswith((".", ".)", "?")), leaf.name
    assert [each.name for each in leaf.command.params if not getattr(each, "help", None)] == []


@each_command
def test_a_command_answers_programs_too(leaf: Leaf) -> None:
    assert "--json" in {option for each in leaf.command.params for option in each.opts}


@each_command
def test_a_command_has_an_example_of_itself_that_it_takes(leaf: Leaf) -> None:
    assert leaf.examples, f"{leaf.name}: no example in its help"
    for example in leaf.examples:
        words = shlex.split(example.partition(" > ")[0].partition("; ")[0])[1 + len(leaf.path) :]
        leaf.command.make_context(leaf.name, words).close()


def test_exit_statuses_are_told_in_the_help_and_in_the_readme() -> None:
    for status in ExitStatus:
        assert re.search(rf"\b{status.value}\b", HELP), status
        assert f"| {status.value} |" in README, status


def test_every_group_of_commands_stands_in_the_readme() -> None:
    for name in ROOT.commands:
        assert f"flockctl {name}" in README or f"`{name}" in README, name


def test_the_shell_can_complete() -> None:
    assert "--install-completion" in {option for each in ROOT.params for option in each.opts}
