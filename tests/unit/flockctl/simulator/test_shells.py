"""A stand-in's shells: one a caller, handed out again, ended by Ctrl-C and `exit`."""

from deploy.flockctl.simulator.shells import Shells


def test_each_caller_has_a_shell_of_its_own_which_is_handed_out_again_until_it_ends() -> None:
    shells = Shells()
    anna, is_new = shells.shell("5")
    assert is_new
    assert shells.shell("5") == (anna, False)
    assert shells.shell("6")[0] is not anna
    assert shells.named(anna.name) is anna

    assert anna.typed("exit\n") == ["exit\r\n", "TERMINAL_EOF"]
    assert shells.shell("5")[0].name != anna.name


def test_what_is_typed_is_echoed_and_done() -> None:
    shell, _ = Shells().shell("5")

    assert shell.typed("echo a b\r") == ["echo a b\r\na b\r\n# "]
    assert shell.typed("whoami\n") == ["whoami\r\nroot for 5\r\n# "]
    assert shell.typed("nonsense\r") == ["nonsense\r\nnonsense: not found\r\n# "]


def test_what_runs_takes_no_word_before_it_is_interrupted() -> None:
    shell, _ = Shells().shell("5")
    shell.typed("sleep 100\r")
    assert shell.typed("exit\n") == []

    assert shell.typed("\x03exit\n") == ["^C\r\n# exit\r\n", "TERMINAL_EOF"]
    assert shell.typed("x") == ["TERMINAL_EOF"]


def test_a_container_has_as_many_shells_as_are_asked_for() -> None:
    shells = Shells()
    one, two = shells.in_container("5", "prod_26_press"), shells.in_container("5", "prod_26_press")

    assert one.name != two.name
    assert one.which == f"prod_26_press.{one.name}"
    assert shells.named(two.which) is two
    assert shells.session(one.name) is one
    assert shells.session("another") is None
