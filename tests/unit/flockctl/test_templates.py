"""Template files: what is read out of YAML."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.flockctl.errors import CommandError
from deploy.flockctl.templates import MAX_OCTETS, template_in

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text("abc: -#*&!{}[]\n", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=4), inner, max_size=3),
    max_leaves=10,
)


@pytest.fixture(name="file", scope="module")
def fixture_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("templates") / "data-template.yml"


@given(content=st.dictionaries(st.text("abc", min_size=1, max_size=4), values, max_size=4))
def test_what_was_written_is_read(file: Path, content: dict[str, Any]) -> None:
    file.write_bytes(msgspec.yaml.encode(content))

    assert template_in(file) == content


@given(content=st.binary(max_size=60) | st.text("a: -*&!{}[]|>%@\n", max_size=60).map(str.encode))
def test_any_octets_are_a_mapping_or_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)

    try:
        found = template_in(file)
    except CommandError as error:
        assert error.code == "malformed_template"  # noqa: PT017 - both ends are right
    else:
        assert isinstance(found, dict)
        msgspec.json.encode(found)


def test_a_file_may_be_so_large_and_an_alias_may_stand_in_it(file: Path) -> None:
    file.write_text("a: &a {b: 1}\nc: *a\n#" + "x" * (MAX_OCTETS - 25))
    assert template_in(file) == {"a": {"b": 1}, "c": {"b": 1}}
    file.write_text("#" + "x" * MAX_OCTETS)
    with pytest.raises(CommandError):
        template_in(file)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", Path("a\0b")):
        with pytest.raises(CommandError) as refused:
            template_in(path)
        assert refused.value.code == "unreadable_template"
