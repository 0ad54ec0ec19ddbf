"""Releases of agents: only what the key vouches for, and only as it does, is put where agents find it."""

import base64
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from deploy.flockctl.agent_releases import CONTEXT, MANIFEST, SERVED, SIGNATURE, VERSIONS, publish, sign, verify
from deploy.flockctl.errors import CommandError

BINARY = "linux/amd64/0.20.21/reagent"


class Release:
    """A release, the key that signs it, and where it goes."""

    def __init__(self, folder: Path) -> None:
        """Two binaries of 0.20.21 and one of another version."""
        self.folder, self.into = folder / "release", folder / "updates"
        self.served = self.into / SERVED
        self.served.mkdir(parents=True)
        for path in (BINARY, "linux/armv7/0.20.21/reagent", "linux/amd64/0.20.20/reagent"):
            (self.folder / path).parent.mkdir(parents=True)
            (self.folder / path).write_bytes(path.encode())
        self.key, self.public = folder / "key.pem", folder / "key.pub.pem"
        write_keys(self.key, self.public)


def write_keys(private: Path, public: Path) -> None:
    key = Ed25519PrivateKey.generate()
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


@pytest.fixture(name="release")
def fixture_release(tmp_path: Path) -> Release:
    return Release(tmp_path)


def test_what_was_signed_is_verified_published_and_told_of(release: Release) -> None:
    (release.served / VERSIONS).write_text('{"test": "0.20.19", "production": "0.20.20"}')
    signed = sign(release.folder, "0.20.21", release.key)

    manifest = verify(release.folder, release.public)
    publish(release.folder, manifest, release.into, ("production",))

    assert manifest == signed
    assert [file.path for file in manifest.files] == [BINARY, "linux/armv7/0.20.21/reagent"]
    assert (release.served / BINARY).read_bytes() == BINARY.encode()
    assert (release.served / f"{BINARY}.sha256").read_text().split() == [sha256(BINARY.encode()).hexdigest(), "reagent"]
    assert json.loads((release.served / VERSIONS).read_text()) == {"test": "0.20.19", "production": "0.20.21"}
    assert not (release.served / "linux/amd64/0.20.20").exists()
    assert [path.name for path in release.served.rglob("*.new")] == []


def another_binary(release: Release) -> None:
    (release.folder / BINARY).write_bytes(b"another")


def no_binary(release: Release) -> None:
    (release.folder / BINARY).unlink()


def a_link(release: Release) -> None:
    target = release.folder / "elsewhere"
    (release.folder / BINARY).rename(target)
    (release.folder / BINARY).symlink_to(target)


def another_manifest(release: Release) -> None:
    content = (release.folder / MANIFEST).read_bytes()
    (release.folder / MANIFEST).write_bytes(content.replace(b"0.20.21", b"0.20.22"))


def another_key(release: Release) -> None:
    write_keys(release.key, release.public)


def no_signature(release: Release) -> None:
    (release.folder / SIGNATURE).write_text("")


def odd_signature(release: Release) -> None:
    (release.folder / SIGNATURE).write_text("no base64!")


def a_key_of_another_kind(release: Release) -> None:
    release.public.write_text("no key")


@pytest.mark.parametrize(
    "spoil",
    [
        another_binary, no_binary, a_link, another_manifest, another_key, no_signature, odd_signature,
        a_key_of_another_kind,
    ],
)  # fmt: skip
def test_what_is_not_as_the_key_vouches_for_is_refused(release: Release, spoil: Callable[[Release], None]) -> None:
    sign(release.folder, "0.20.21", release.key)
    spoil(release)

    with pytest.raises(CommandError):
        verify(release.folder, release.public)

    assert list(release.served.iterdir()) == []


@pytest.mark.parametrize("path", ["../../etc/reagent", "linux/amd64/0.20.20/reagent", "linux/amd64/0.20.21/other"])
def test_a_signed_path_that_is_none_of_a_release_is_refused(release: Release, path: str) -> None:
    """A key that vouches for nonsense is not followed into other folders."""
    sign(release.folder, "0.20.21", release.key)
    content = json.loads((release.folder / MANIFEST).read_text())
    content["files"][0]["path"] = path
    resign(release, json.dumps(content).encode())

    with pytest.raises(CommandError, match="has no"):
        verify(release.folder, release.public)


@pytest.mark.parametrize("content", [b"{}", b"nothing", b'{"form": "x", "version": "1.0.0", "files": []}'])
def test_a_signed_manifest_of_another_form_is_refused(release: Release, content: bytes) -> None:
    resign(release, content)

    with pytest.raises(CommandError):
        verify(release.folder, release.public)


def resign(release: Release, content: bytes) -> None:
    key = load_pem_private_key(release.key.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    (release.folder / MANIFEST).write_bytes(content)
    (release.folder / SIGNATURE).write_bytes(base64.b64encode(key.sign(CONTEXT + content)))


def test_there_is_nothing_to_sign_of_a_version_that_is_not_there(release: Release) -> None:
    for version in ("9.9.9", "latest", "*"):
        with pytest.raises(CommandError):
            sign(release.folder, version, release.key)
