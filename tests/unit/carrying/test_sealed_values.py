"""Sealed values go from one installation to another: opened there, sealed here, each for its own place."""

import base64
from uuid import uuid4

import pytest

from deploy.backup.errors import BackupError
from deploy.carrying.sealed_values import (
    place_of_environment,
    place_of_secret,
    with_clear_environment,
    with_sealed_environment,
)
from services.devices.apps import environments
from services.fleetdb.rules import sealed
from shared.secrets import Sealer

THERE, HERE = (Sealer({name: uuid4().bytes * 2}, name) for name in ("there", "here"))
APP = {"device_key": 5, "app_key": 6, "stage": "PROD"}


def test_places_are_those_of_the_services() -> None:
    assert place_of_environment(APP) == environments._place(5, 6, "PROD")
    assert place_of_secret(3, "vault", "pin") == sealed.place_of(3, "vault", "pin")


def test_an_environment_opens_where_it_is_then() -> None:
    octets = THERE.seal(b"{}", context=place_of_environment(APP), nonce=bytes(12))
    row = {**APP, "environment": f"\\x{octets.hex()}"}

    carried = with_clear_environment(row, THERE)
    brought = with_sealed_environment(carried, HERE, {("device", 5): 50, ("app", 6): 60})

    assert base64.b64decode(carried["environment"]) == b"{}"
    found = bytes.fromhex(brought["environment"].removeprefix("\\x"))
    assert HERE.open(found, context="devices.device_app/50/60/PROD/environment") == b"{}"


def test_what_does_not_open_is_refused_and_what_goes_nowhere_is_nothing() -> None:
    row = {**APP, "environment": "\\x00"}

    for sealer in (None, HERE):
        with pytest.raises(BackupError):
            with_clear_environment(row, sealer)
    assert with_sealed_environment({**APP, "environment": "e30="}, HERE, {})["environment"] is None
    assert with_clear_environment({**APP, "environment": None}, None)["environment"] is None
