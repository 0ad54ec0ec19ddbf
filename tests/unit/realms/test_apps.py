"""How apps, versions and images are named."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.realms.rules.apps import app_name, image_name, version_name
from shared.errors import InvalidArgumentError
from shared.names import canonical_name, lookup_name

DIGEST = "sha256:" + "0a" * 32
PUBLISHED = re.compile(r"^(\*|[A-Za-z0-9._-]+)$")  # an app as the published data template names it
HOSTILE = [
    "",
    " ",
    "7",
    "*",
    "a b",
    "a/b",
    "-a",
    ".a",
    "..",
    "_a",
    "a\x00b",
    "a\u202eb",
    "x" * 64,
    "\ud800",
    "ä",
    "a\nb",
    "a'b",
]


@pytest.mark.parametrize("name", ["a", "OPC_UA_Client", "node-red.runner", "7zip", "x" * 63, " plant "])
def test_names_of_the_field_are_names(name: str) -> None:
    assert app_name(name) == name.strip()


@pytest.mark.parametrize("name", HOSTILE)
def test_others_are_none(name: str) -> None:
    with pytest.raises(InvalidArgumentError):
        app_name(name)


@given(st.text(max_size=70) | st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True))
def test_a_name_can_be_asked_for_by_a_template_and_found(text: str) -> None:
    try:
        name = app_name(text)
    except InvalidArgumentError:
        return

    assert PUBLISHED.fullmatch(name)
    assert name != "*"
    assert not name.isdigit()
    assert lookup_name(name) == lookup_name(name.upper()) == canonical_name(name) == name.lower()


@pytest.mark.parametrize("version", ["1", "1.4.0", "1.4.0-rc.1+build_7", "V2", "x" * 64])
def test_versions_are_kept_as_they_are(version: str) -> None:
    assert version_name(version) == version


@pytest.mark.parametrize(
    "version", ["", " 1", "1 ", "1\n", "../1", "1/2", "x" * 65, "1\x00", "\u0661", "-1", "latest image"]
)
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(InvalidArgumentError):
        version_name(version)


@pytest.mark.parametrize(
    "name",
    [
        "registry.example.com/plant/press",
        "localhost/press",
        "localhost:5000/press",
        "r:5000/a/b/c",
        "127.0.0.1:5000/a__b/c-d.e",
        "registry.example.com/press:1.4.0",
    ],
)
def test_an_image_names_its_registry_and_its_digest(name: str) -> None:
    assert image_name(f"{name}@{DIGEST}") == f"{name}@{DIGEST}"


@pytest.mark.parametrize(
    "image",
    [
        "",
        DIGEST,
        "@" + DIGEST,
        "press@" + DIGEST,
        "library/press@" + DIGEST,
        "registry.example.com/press",
        "registry.example.com/press:1.4.0",
        "registry.example.com/press@sha256:" + "0a" * 31,
        "registry.example.com/press@sha256:" + "0A" * 32,
        "registry.example.com/press@sha512:" + "0a" * 64,
        f"registry.example.com/press@{DIGEST}\n",
        f"registry.example.com/press@{DIGEST}@{DIGEST}",
        f"registry.example.com/../press@{DIGEST}",
        f"registry.example.com//press@{DIGEST}",
        f"registry.example.com/Press@{DIGEST}",
        f"registry.example.com/press:@{DIGEST}",
        f"registry.example.com:0/press@{DIGEST}",
        f"registry.example.com:65536/press@{DIGEST}",
        f"https://registry.example.com/press@{DIGEST}",
        f"user:secret@registry.example.com/press@{DIGEST}",
        f"-registry.example.com/press@{DIGEST}",
        f"registry.example.com/{'a' * 400}@{DIGEST}",
        f"registry.example.com/press --privileged@{DIGEST}",
    ],
)
def test_what_names_no_pushed_image_is_refused(image: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        image_name(image)

    assert refused.value.details()["argument"] == "image"


@given(st.text(max_size=400) | st.lists(st.sampled_from("ab.-_:/@0"), max_size=60).map("".join))
def test_any_other_text_is_refused(image: str) -> None:
    with pytest.raises(InvalidArgumentError):
        image_name(image)
