"""The names of data realms and of apps; the spelling is the published platform's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironflock_router.realm_names import MAX_KEY, AppAuthid, DataRealm

keys = st.integers(1, MAX_KEY)
stages = st.sampled_from(["dev", "prod"])


@given(keys, keys, stages)
def test_a_realm_is_read_as_it_is_written(project: int, app: int, stage: str) -> None:
    realm = DataRealm(project, app, stage)
    assert DataRealm.parse(realm.name) == realm


@given(st.one_of(st.text("realm-0123456789devpro ", max_size=24), st.none(), st.integers()))
def test_what_is_read_as_a_realm_is_spelled_in_the_one_way(name: object) -> None:
    realm = DataRealm.parse(name)
    assert realm is None or realm.name == name


@pytest.mark.parametrize(
    "name",
    [
        *("realm1", "realm-2-26", "realm-2-26-DEV", "realm-2-26-dev-x", "realm-02-26-dev", "realm-2-0-dev", ""),
        *("realm-2-26-dev\n", " realm-2-26-dev", "Realm-2-26-dev", "realm--2-26-dev", "realm-2-26-test"),
        *(
            "realm-٢-26-dev",
            f"realm-{MAX_KEY + 1}-26-dev",
            f"realm-2-{MAX_KEY + 1}-dev",
            "realm-2-" + "9" * 40 + "-dev",
        ),
    ],
)
def test_nothing_else_is_a_data_realm(name: str) -> None:
    assert DataRealm.parse(name) is None


@given(keys, stages, st.integers(0, 10**6), st.text(min_size=1, max_size=40))
def test_a_per_app_credential_names_app_stage_epoch_and_device(app: int, stage: str, epoch: int, serial: str) -> None:
    assert AppAuthid.parse(f"app-{app}-{stage}-e{epoch}@{serial}") == AppAuthid(serial, app, stage, epoch)


def test_numbers_compare_as_numbers() -> None:
    assert AppAuthid.parse("app-026-dev-e01@S") == AppAuthid.parse("app-26-dev-e1@S")


@pytest.mark.parametrize(
    "authid",
    [
        "S",
        "",
        "APP-26-dev-e1@S",
        "app-26-DEV-e1@S",
        "app-26-dev-e1@",
        "app-26-dev-1@S",
        "app-x-dev-e1@S",
        "app-٢-dev-e1@S",
    ],
)
def test_everything_else_is_a_legacy_one(authid: str) -> None:
    assert AppAuthid.parse(authid) == AppAuthid(authid)
