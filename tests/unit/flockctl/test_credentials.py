"""Where the API key comes from."""

from pathlib import Path

import pytest

from deploy.flockctl.credentials import key_file, read_api_key
from deploy.flockctl.errors import CommandError
from shared.api_keys import mint

KEY = mint(bytes(range(48)))


def test_the_nearest_wish_wins() -> None:
    environ = {"IRONFLOCK_API_KEY_FILE": "/from/environment"}

    assert key_file(Path("/named"), environ, Path("/owner")) == Path("/named")
    assert key_file(None, environ, Path("/owner")) == Path("/from/environment")
    assert key_file(None, {}, Path("/owner")) == Path("/owner")


def test_without_any_it_says_what_to_name() -> None:
    with pytest.raises(CommandError, match="--api-key-file"):
        key_file(None, {}, None)


def test_a_key_is_read_without_its_line_end(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")

    assert read_api_key(file) == KEY


@pytest.mark.parametrize("content", [b"", b"ifk_short", KEY[:-1].encode() + b"!", b"\x00" * 10_000, b"\xff\xfe"])
def test_what_is_no_key_is_refused_unrepeated(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)

    with pytest.raises(CommandError) as caught:
        read_api_key(file)

    assert caught.value.code == "malformed_api_key"
    assert not content or content.decode("latin-1") not in caught.value.message


@pytest.mark.parametrize("name", ["absent", "."])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CommandError) as caught:
        read_api_key(tmp_path / name)

    assert caught.value.code == "no_api_key"
