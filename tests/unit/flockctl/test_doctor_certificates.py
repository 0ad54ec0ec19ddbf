"""What the doctor sees of certificates while one authority takes over from another."""

from pathlib import Path

from deploy.flockctl.doctor.certificates import certificates
from deploy.local.authority import Order, ensure_authority, hosts_of, issue, load_authority
from deploy.local.state import StateFolder
from deploy.local.succession import have_next_sign, have_next_trusted, have_signing_alone_trusted
from tests.unit.local.test_authority import LIFE, NOW


def seen(state: StateFolder) -> dict[str, tuple[bool, bool | None]]:
    """By name: whether it is signed by whom it should be, and fits its key."""
    return {each.name: (each.is_chained, each.fits_key) for each in certificates(state, ["router"])}


def test_in_every_stage_all_is_well_and_what_the_dropped_one_signed_is_not(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    for folder in (state.ca, state.tls, state.backend_login_authority):
        folder.mkdir(parents=True)
    ensure_authority(state.backend_login_authority, NOW)
    order = Order(state.tls / "router.pem", state.tls / "router.key", hosts_of("localhost"), LIFE)
    issue(ensure_authority(state.ca, NOW), order, NOW)
    well = dict.fromkeys(("authority", "authority of data backends", "router"), (True, True))
    assert seen(state) == well

    have_next_trusted(state.ca, NOW, name="next")
    assert seen(state) == well
    have_next_sign(state.ca)
    assert seen(state) == well
    have_signing_alone_trusted(state.ca)
    assert seen(state) == {**well, "router": (False, True)}
    issue(load_authority(state.ca), order, NOW)
    assert seen(state) == well
