"""Who an address stands for."""

import pytest

from shared.subscribers import subscriber


@pytest.mark.parametrize(
    ("address", "who"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("x", "x"),
    ],
)
def test_one_subscriber_is_one(address: str, who: str) -> None:
    assert subscriber(address) == who
