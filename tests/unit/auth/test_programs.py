"""What a browser says of itself, in two words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.rules.programs import program_name

MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox · Linux"),
        (f"{MAC} Chrome/140.0.0.0 Safari/537.36", "Chrome · macOS"),
        (f"{MAC} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", "Edge · macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari · iPhone"),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36", "Chrome · Android"),
        ("flockctl/0.1.0 (Linux)", "flockctl · Linux"),
        ("curl/8.0", "curl"),
        ("Windows NT 10.0", "Windows"),
        ("", ""),
        ("\u202e<script>", ""),
    ],
)
def test_the_names_that_people_know(agent: str, name: str) -> None:
    assert program_name(agent) == name


@given(st.text())
def test_nothing_of_the_header_itself_is_shown(agent: str) -> None:
    assert len(program_name(agent)) < 40
    assert set(program_name(agent)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz ·")
