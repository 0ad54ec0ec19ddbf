"""How much is measured: a smoke run, the usual one, everything."""

from typing import Final

from attrs import frozen


@frozen
class Sizes:
    """The sizes of a sweep, each a decade above the one before; `sessions` are devices that are connected."""

    rounds: int
    seconds: float
    sessions: tuple[int, ...]
    devices: tuple[int, ...]
    realms: tuple[int, ...]
    grants: tuple[int, ...]
    rows: tuple[int, ...]
    entries: tuple[int, ...]


@frozen
class Scale:
    """The sizes of one run. `seconds` is how long each single measurement of a rate takes.

    `payloads` and `entries` are octets, `sessions` the sizes between which the memory of one is seen, `at_once` how
    many clients join at the same time, `devices` how many are flashed, `storms` how many of them come back,
    and how often. `rest_s` is
    how long the platform comes to rest before it is looked at again, `settle_s` the same between smaller things.
    `log_writers` are how many record at once, `log_sizes` the entries of the log, `verifications` how often each of
    these logs is verified. `history_rows` and `series_rows` are how many rows of a backend are answered, or summed up;
    `writers` are how many append to it at once, `bulk_rows` how many rows one call has; `realms` how many data realms
    a router has. `readers` are subscribers that never read, `cut_sessions` and `cut_visits` what one revocation ends.
    `limit_s` ends a part that takes longer.
    """

    name: str
    limit_s: float
    sweep: Sizes

    rounds: int
    seconds: float
    payloads: tuple[int, ...]
    sessions: tuple[int, ...]
    session_rounds: int
    at_once: tuple[int, ...]
    devices: int
    storms: tuple[tuple[int, int], ...]
    entries: tuple[int, ...]
    restarts: int
    rest_s: float
    settle_s: float
    log_writers: tuple[int, ...]
    log_sizes: tuple[int, ...]
    verifications: int
    history_rows: tuple[int, ...]
    series_rows: tuple[int, ...]
    writers: tuple[int, ...]
    bulk_rows: tuple[int, ...]
    realms: tuple[int, ...]
    readers: tuple[int, ...]
    cut_sessions: tuple[int, ...]
    cut_visits: int
    cut_rounds: int


QUICK: Final = Scale(
    name="quick",
    limit_s=300.0,
    sweep=Sizes(
        rounds=1,
        seconds=0.3,
        sessions=(3, 30, 300),
        devices=(100, 1_000, 10_000),
        realms=(1, 10, 100),
        grants=(10, 100, 1_000),
        rows=(1_000, 10_000, 100_000),
        entries=(500, 5_000, 50_000),
    ),
    rounds=1,
    seconds=0.3,
    payloads=(100,),
    sessions=(10, 100),
    session_rounds=1,
    at_once=(10,),
    devices=40,
    storms=((20, 1),),
    entries=(100,),
    restarts=1,
    rest_s=1.0,
    settle_s=0.3,
    log_writers=(4,),
    log_sizes=(1_000, 10_000),
    verifications=1,
    history_rows=(100,),
    series_rows=(10_000,),
    writers=(4,),
    bulk_rows=(100,),
    realms=(5, 20),
    readers=(20,),
    cut_sessions=(10,),
    cut_visits=4,
    cut_rounds=1,
)
USUAL: Final = Scale(
    name="usual",
    limit_s=300.0,
    sweep=Sizes(
        rounds=5,
        seconds=0.5,
        sessions=(50, 500, 5_000),
        devices=(100, 1_000, 10_000, 100_000),
        realms=(10, 100, 1_000),
        grants=(10, 100, 1_000, 10_000, 100_000),
        rows=(10_000, 100_000, 1_000_000),
        entries=(1_000, 10_000, 100_000),
    ),
    rounds=5,
    seconds=1.0,
    payloads=(10, 100, 1000),
    sessions=(100, 300, 1000),
    session_rounds=5,
    at_once=(1, 10, 100),
    devices=500,
    storms=((50, 5), (500, 5)),
    entries=(100, 1000, 10_000),
    restarts=5,
    rest_s=5.0,
    settle_s=1.0,
    log_writers=(1, 4, 16),
    log_sizes=(1_000, 10_000, 100_000),
    verifications=3,
    history_rows=(100, 1_000, 10_000),
    series_rows=(10_000, 100_000, 1_000_000),
    writers=(1, 8, 64),
    bulk_rows=(100, 1_000, 10_000),
    realms=(10, 100, 1_000),
    readers=(100, 1_000, 10_000),
    cut_sessions=(10, 100, 1_000),
    cut_visits=100,
    cut_rounds=5,
)
FULL: Final = Scale(
    name="full",
    limit_s=7_200.0,
    sweep=Sizes(
        rounds=11,
        seconds=1.0,
        sessions=(100, 1_000, 10_000),
        devices=(100, 1_000, 10_000, 100_000, 1_000_000),
        realms=(10, 100, 1_000),
        grants=(10, 100, 1_000, 10_000, 100_000),
        rows=(10_000, 100_000, 1_000_000, 10_000_000),
        entries=(1_000, 10_000, 100_000, 1_000_000),
    ),
    rounds=11,
    seconds=2.0,
    payloads=(10, 100, 1000, 10_000),
    sessions=(100, 1000, 10_000),
    session_rounds=5,
    at_once=(1, 10, 100),
    devices=5000,
    storms=((50, 5), (500, 5), (5000, 1)),
    entries=(100, 1000, 10_000),
    restarts=5,
    rest_s=10.0,
    settle_s=1.0,
    log_writers=(1, 4, 16),
    log_sizes=(10_000, 100_000, 1_000_000),
    verifications=3,
    history_rows=(100, 1_000, 10_000),
    series_rows=(10_000, 100_000, 1_000_000),
    writers=(1, 8, 64),
    bulk_rows=(100, 1_000, 10_000),
    realms=(10, 100, 1_000),
    readers=(100, 1_000, 10_000),
    cut_sessions=(10, 100, 1_000),
    cut_visits=100,
    cut_rounds=11,
)
