"""The stand-in's apps: as strict as the agent, and saying what that one says."""

from typing import Any

import pytest

from deploy.flockctl.simulator.answers import AnswerError
from deploy.flockctl.simulator.apps import Apps, sequence, wish_of

WISH: dict[str, Any] = {
    "app_key": 26, "app_name": "Press", "stage": "PROD", "target_state": "RUNNING", "current_state": "REMOVED",
    "release_key": 50, "new_release_key": 51, "requestor_account_key": 5, "device_owner_account_key": 5,
    "environment": {"A": {"value": "b"}}, "environment_template": {"A": {}}, "ports": [{"port": 80, "main": True}],
    "present_version": "1.0.0", "newest_version": "1.0.0", "request_update": False, "cancel_transition": False,
}  # fmt: skip


def states(state: str, **changes: Any) -> list[str]:
    return [said.state for said in sequence(state, wish_of({**WISH, **changes}))]


@pytest.mark.parametrize(
    ("state", "target", "said"),
    [
        ("REMOVED", "RUNNING", ["DOWNLOADING", "PRESENT", "STARTING", "RUNNING"]),
        ("PRESENT", "RUNNING", ["STARTING", "RUNNING"]),
        ("UNINSTALLED", "PRESENT", ["DOWNLOADING", "PRESENT"]),
        ("RUNNING", "PRESENT", ["STOPPING", "STOPPING", "PRESENT"]),
        ("RUNNING", "REMOVED", ["DELETING", "REMOVED"]),
        ("RUNNING", "UNINSTALLED", ["DELETING", "REMOVED", "UNINSTALLED"]),
        ("PRESENT", "BUILT", ["REMOVED", "BUILDING", "BUILT", "PRESENT"]),
        ("PRESENT", "PUBLISHED", ["REMOVED", "BUILDING", "BUILT", "PUBLISHING", "PUBLISHED"]),
        ("RUNNING", "RUNNING", []),
        ("UPDATING", "RUNNING", []),
    ],
)
def test_each_target_has_its_sequence(state: str, target: str, said: list[str]) -> None:
    assert states(state, target_state=target) == said


def test_an_update_says_the_new_release() -> None:
    says = sequence("RUNNING", wish_of({**WISH, "newest_version": "1.1.0", "request_update": True}))

    assert [(said.state, said.release_key, said.update_status) for said in says] == [
        ("UPDATING", 50, ""),
        ("PRESENT", 51, "pending_remote_confirmation"),
        ("STARTING", 51, ""),
        ("RUNNING", 51, ""),
    ]


def test_what_is_under_way_is_cancelled() -> None:
    says = sequence("UPDATING", wish_of({**WISH, "target_state": "PRESENT", "cancel_transition": True}))

    assert [(said.state, said.update_status) for said in says] == [("PRESENT", "canceled")]


@pytest.mark.parametrize(
    "changes",
    [
        {"app_key": "26"}, {"app_key": None}, {"app_key": 2.0}, {"app_key": True}, {"app_key": -1}, {"app_name": ""},
        {"app_name": None}, {"new_release_key": "51"}, {"release_key": "x"}, {"requestor_account_key": None},
        {"target_state": "STOPPED"}, {"target_state": ""}, {"current_state": ""}, {"stage": "prod"},
        {"environment": {"A": "b"}}, {"environment": {"A": {}}}, {"environment": []},
        {"environment_template": {"A": 1}},
        {"ports": {}}, {"ports": ["80"]}, {"ports": [{"port": "80"}]}, {"ports": [{"port": 80.0}]},
        {"ports": [{"port": True}]}, {"ports": [{"active": 1}]}, {"docker_compose": []}, {"request_update": 1},
        {"cancel_transition": "x"}, {"app_cred_epoch": "1"}, {"app_cred_epoch": -1}, {"present_version": 1},
    ],
    ids=str,
)  # fmt: skip
def test_what_the_agent_refuses_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(AnswerError):
        wish_of({**WISH, **changes})


def test_what_is_not_listed_goes() -> None:
    apps = Apps({(1, "DEV"): ("RUNNING", 0), (26, "PROD"): ("RUNNING", 50)})

    assert [wish.app_key for wish, _ in apps.take_list([WISH, {"app_key": 9, "stage": "DEV"}])] == [26]
    assert apps.present == {(26, "PROD"): "RUNNING"}
    apps.take_list([])
    assert apps.present == {}


def test_a_failing_app_fails_at_the_end() -> None:
    apps = Apps(failing={26})
    wish, says = apps.request(WISH)

    assert [apps.say(wish, said)["state"] for said in says] == ["DOWNLOADING", "PRESENT", "STARTING", "FAILED"]
