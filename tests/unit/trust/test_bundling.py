"""Who is believed in a cluster: both authorities of a pair, and never one without whom somebody is not."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.trust.__main__ import main, parser
from deploy.trust.bundling import TrustError, authorities, bundle, idle, is_by
from tests.unit.trust.made import Authority

CA, NEXT = "internal-ca", "internal-ca-next"


@pytest.fixture(name="pair", scope="module")
def fixture_pair() -> dict[str, Authority]:
    return {name: Authority.made("IronFlock internal CA") for name in (CA, NEXT)}


def secret(name: str, pem: bytes, issuer: str = "inside") -> dict[str, Any]:
    annotations = {"cert-manager.io/issuer-name": issuer, "cert-manager.io/issuer-kind": "Issuer"}
    data = {"tls.crt": base64.b64encode(pem).decode(), "tls.key": ""}
    return {"metadata": {"name": name, "annotations": annotations}, "data": data}


def secrets(pair: dict[str, Authority], issued: dict[str, str]) -> dict[str, Any]:
    """Those of an installation in which `issued` names who signed what."""
    cas = [secret(name, each.pem, "self-signed") for name, each in pair.items()]
    leaves = [secret(name, pair[by].sign(name)) for name, by in issued.items()]
    plain = {"metadata": {"name": "auth"}, "data": {"bus": ""}}
    return {"kind": "List", "items": [*cas, *leaves, plain]}


def test_both_are_believed_whichever_signs(pair: dict[str, Authority]) -> None:
    found = bundle(authorities(secrets(pair, {"auth-inside-tls": CA, "auth-tls": NEXT}), CA), "ironflock")

    pem = base64.b64decode(found["data"]["ca.crt"])
    assert [each.public_key() for each in x509.load_pem_x509_certificates(pem)] == [
        pair[name].key.public_key() for name in (CA, NEXT)
    ]
    assert (found["metadata"]["name"], found["metadata"]["namespace"]) == ("trust", "ironflock")


def test_before_there_is_a_next_one_the_one_is_believed_where_that_is_meant(pair: dict[str, Authority]) -> None:
    alone = {CA: pair[CA]}
    there = authorities(secrets(alone, {"auth-inside-tls": CA}), CA)
    with pytest.raises(TrustError, match=f"{NEXT} is not there yet"):
        bundle(there, "ironflock")

    found = bundle(there, "ironflock", is_alone=True)

    assert len(x509.load_pem_x509_certificates(base64.b64decode(found["data"]["ca.crt"]))) == 1
    with pytest.raises(TrustError, match="which of the two"):
        idle(authorities(secrets(alone, {}), CA))


def test_an_authority_that_was_made_anew_too_early_is_not_left_out(pair: dict[str, Authority]) -> None:
    shown = secrets(pair, {"auth-inside-tls": CA, "gateway-inside-tls": NEXT})
    anew = Authority.made("IronFlock internal CA")
    shown["items"][0] = secret(CA, anew.pem, "self-signed")

    with pytest.raises(TrustError, match="auth-inside-tls"):
        bundle(authorities(shown, CA), "ironflock")


def test_the_one_that_may_be_made_anew_is_the_one_that_signed_nothing(pair: dict[str, Authority]) -> None:
    assert idle(authorities(secrets(pair, {"auth-inside-tls": CA}), CA)) == NEXT
    assert idle(authorities(secrets(pair, {"auth-inside-tls": NEXT}), CA)) == CA
    for shown in ({}, {"auth-inside-tls": CA, "auth-tls": NEXT}):
        with pytest.raises(TrustError, match="which of the two"):
            idle(authorities(secrets(pair, shown), CA))


def issuer(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "Issuer", "metadata": {"name": name}, "spec": spec}


def with_public_names_by_another(pair: dict[str, Authority], issued: dict[str, str]) -> dict[str, Any]:
    """As with component `acme`: the issuer keeps its name."""
    shown = secrets(pair, issued)
    shown["items"].append(secret("auth-tls", Authority.made("A public one").sign("auth-tls"), "public"))
    shown["items"].append(issuer("public", {"acme": {}}))
    return shown


def test_a_public_authority_is_no_stranger(
    pair: dict[str, Authority], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = with_public_names_by_another(pair, {"auth-inside-tls": NEXT})

    assert run(monkeypatch, shown, "bundle") == 0
    pem = base64.b64decode(json.loads(capsys.readouterr().out)["data"]["ca.crt"])
    assert len(x509.load_pem_x509_certificates(pem)) == 2
    assert run(monkeypatch, shown, "issued", NEXT) == 0
    assert run(monkeypatch, shown, "idle") == 0
    assert capsys.readouterr().out == f"{CA}\n"


def test_what_a_public_authority_has_not_issued_yet_is_still_ours(pair: dict[str, Authority]) -> None:
    shown = with_public_names_by_another(pair, {"auth-inside-tls": NEXT})
    shown["items"].append(secret("gateway-tls", pair[CA].sign("gateway-tls"), "public"))

    with pytest.raises(TrustError, match="gateway-tls"):
        idle(authorities(shown, CA))


@pytest.mark.parametrize("said", [issuer("public", {"ca": {"secretName": CA}}), issuer("inside", {"acme": {}})])
def test_elsewhere_a_stranger_is_one(pair: dict[str, Authority], said: dict[str, Any]) -> None:
    shown = with_public_names_by_another(pair, {"auth-inside-tls": CA})
    shown["items"][-1] = said

    with pytest.raises(TrustError, match=r": auth-tls$"):
        bundle(authorities(shown, CA), "ironflock")


def run(monkeypatch: pytest.MonkeyPatch, given: object, *words: str) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(given if isinstance(given, str) else json.dumps(given)))
    return main([*words])


def test_what_is_not_issued_yet_is_named(
    pair: dict[str, Authority], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    half = secrets(pair, {"auth-inside-tls": NEXT, "auth-tls": CA})
    assert run(monkeypatch, half, "issued", NEXT) == 1
    assert capsys.readouterr().out == "auth-tls\n"
    assert run(monkeypatch, secrets(pair, {"auth-tls": NEXT}), "issued", NEXT) == 0


def test_what_is_printed_has_no_key(
    pair: dict[str, Authority], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, secrets(pair, {"auth-tls": CA}), "bundle") == 0
    assert set(json.loads(capsys.readouterr().out)["data"]) == {"ca.crt"}
    assert run(monkeypatch, secrets(pair, {"auth-tls": CA}), "idle") == 0
    assert capsys.readouterr().out == f"{NEXT}\n"


@pytest.mark.parametrize(
    "given", ["", "[]", "{}", '{"items": [1]}', '{"items": [{"metadata": {"name": "internal-ca"}}]}']
)
def test_what_is_no_list_of_secrets_is_refused(
    given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, given, "bundle") == 1
    assert capsys.readouterr().err.startswith("trust: ")


def test_keys_of_a_pair_differ(pair: dict[str, Authority]) -> None:
    assert isinstance(pair[CA].key, ec.EllipticCurvePrivateKey)
    assert pair[CA].pem != pair[NEXT].pem


def is_believed(shown: dict[str, Any], trust: dict[str, Any]) -> bool:
    """Whether every certificate of `shown` is by somebody whom the Secret `trust` names."""
    known = x509.load_pem_x509_certificates(base64.b64decode(trust["data"]["ca.crt"]))
    leaves = [
        x509.load_pem_x509_certificate(base64.b64decode(each["data"]["tls.crt"]))
        for each in shown["items"]
        if each["metadata"].get("annotations", {}).get("cert-manager.io/issuer-name") == "inside"
    ]
    return all(any(is_by(leaf, each) for each in known) for leaf in leaves)


def test_at_no_stage_is_somebody_not_believed_who_has_the_bundle_of_the_stage_before() -> None:
    """As deploy/README.md, Another CA, does it, twice: names change their parts each time."""
    pair = {name: Authority.made("IronFlock internal CA") for name in (CA, NEXT)}
    by = dict.fromkeys(("auth-inside-tls", "gateway-inside-tls", "postgres-tls"), CA)
    bundles = [bundle(authorities(secrets(pair, by), CA), "ironflock")]
    for signing in (NEXT, CA):
        pair[idle(authorities(secrets(pair, by), CA))] = Authority.made("IronFlock internal CA")  # trust
        bundles.append(bundle(authorities(secrets(pair, by), CA), "ironflock"))
        assert is_believed(secrets(pair, by), bundles[-2])
        for name in by:  # issue, one after the other
            by[name] = signing
            assert is_believed(secrets(pair, by), bundles[-1])
        old = idle(authorities(secrets(pair, by), CA))
        pair[old] = Authority.made("IronFlock internal CA")  # drop
        bundles.append(bundle(authorities(secrets(pair, by), CA), "ironflock"))
        assert is_believed(secrets(pair, by), bundles[-2])
        assert is_believed(secrets(pair, by), bundles[-1])

    assert not is_believed(secrets(pair, by), bundles[0])


def test_the_commands_that_an_operator_reads_are_taken() -> None:
    readme = (Path(__file__).parents[3] / "deploy" / "README.md").read_text(encoding="utf-8")
    said = re.findall(r"python -m deploy\.trust ([a-z -]+(?:\$ca)?)", readme)

    assert {each.split()[0] for each in said} == {"bundle", "idle", "issued"}
    for each in said:
        parser().parse_args(each.replace("$ca", CA).split())
