"""Master keys of several backups in one file."""

import json

import pytest

from deploy.backup.errors import UntrustedError
from deploy.backup.keys import merged
from deploy.local.preparation import master_keys
from shared.secrets import parse_master_keys


def test_every_key_is_kept_and_the_newest_file_says_which_is_active() -> None:
    before, after = master_keys(), master_keys()

    found = parse_master_keys(merged([before, after]))

    assert found.active == parse_master_keys(after).active
    assert found.keys == {**parse_master_keys(before).keys, **parse_master_keys(after).keys}
    assert parse_master_keys(merged([before])) == parse_master_keys(before)


@pytest.mark.parametrize("text", ["", "{}", json.dumps({"active": "a", "keys": {"a": "AA=="}})])
def test_what_is_no_file_of_keys_is_refused(text: str) -> None:
    with pytest.raises(UntrustedError):
        merged([master_keys(), text])
