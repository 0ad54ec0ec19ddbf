"""The bars of the platform, each with the rows of the bench that answer it, and why one that is missed is.

`python -m tests.bench --table` makes README's table of them, from what lies in `.bench/`.
"""

from typing import Final

from attrs import frozen


@frozen
class Line:
    """One bar. `rows` are patterns of the rows that answer it, each behind the name of its bench."""

    title: str
    bar: str
    rows: tuple[str, ...]
    why: str = ""


OTHER_TRIPS: Final = (
    "A row goes over three TLS connections where psycopg has one, and through the router's one process, which reads,"
    " looks through and writes each message anew; fleetdb's own share is in the line above (`writes`, `reads`). Of one"
    " at once most is waiting: each process on the way is woken on the other core, which takes this machine 0.1 ms."
)

LINES: Final = (
    Line(
        "RPC calls a second, 1 and 64 at once",
        ">= 0.97",
        ("messages/RPC calls, 1 at once", "messages/RPC calls, 64 at once"),
    ),
    Line("p99 of these", "<= 1.15", ("messages/RPC calls, 1 at once: p99", "messages/RPC calls, 64 at once: p99")),
    Line(
        "acknowledged publishes a second, 1 and 64 at once",
        ">= 0.97",
        ("messages/acknowledged publishes, 1 at once", "messages/acknowledged publishes, 64 at once"),
    ),
    Line(
        "p99 of these",
        "<= 1.15",
        ("messages/acknowledged publishes, 1 at once: p99", "messages/acknowledged publishes, 64 at once: p99"),
    ),
    Line(
        "the same on a data realm: calls, publishes, 1 and 64 at once",
        ">= 0.97",
        (
            "messages/RPC calls of apps, 1 at once",
            "messages/RPC calls of apps, 64 at once",
            "messages/acknowledged publishes of apps, 1 at once",
            "messages/acknowledged publishes of apps, 64 at once",
        ),
    ),
    Line(
        "WAMP-CRA joins a second over TLS, 10 at once, against static users",
        ">= 0.80",
        ("joins/WAMP-CRA joins over TLS, 10 at once",),
        "A join and its end cost the router 3.0 ms against 1.9 ms of the reference; auth, devices and PostgreSQL take"
        " 2.4 ms more of the same two cores.",
    ),
    Line(
        "reconnect storm: all of 5,000 devices online, by 5,000 / joins a second",
        "<= 1.3",
        ("storm/reconnect storm, 5000 devices: all online",),
        "A device that returns sends some fifty requests after its join (its procedures), which with the join cost the"
        " router 29 ms, devices and PostgreSQL 17 ms, and the devices are played on the same two cores: that, not the"
        " join, is what a storm waits for.",
    ),
    Line(
        "devices missing in the registry after it",
        "0",
        ("storm/reconnect storm, 5000 devices: missing in the registry",),
    ),
    Line("router memory of an idle device session", "<= 1.1", ("memory/router memory an idle device session",)),
    Line(
        "router memory above what it had, 10,000 subscribers that never read",
        "<= 512 MiB",
        ("readers/router memory, 10,000 never-reading subscribers",),
    ),
    Line(
        "the same, 100 of them and messages of 15 MB",
        "<= 512 MiB",
        ("readers/router memory, 100 never-reading subscribers, long messages",),
        "What waits is counted twice a second, and whoever has most is ended then; in between a message of 15 MB has"
        " become TLS records for many of the 100.",
    ),
    Line(
        "start of a realm, and its memory, 1,000 data realms",
        "<= 3",
        ("realms/realm start", "realms/router memory a realm"),
    ),
    Line(
        "check of a flag in process, p99, 100,000 grants in the project",
        "<= 50 us",
        ("rights/decide at a decision point: p99, 100,000 grants",),
    ),
    Line(
        "check of a flag over the bus, against an RPC that does nothing",
        "<= 1.15",
        ("rights/flag.check over the bus, by an RPC that does nothing",),
        "The RPC that does nothing is answered by a bare socket; a check by a service, which finds out who asks and"
        " reads one snapshot of PostgreSQL. The line below has a procedure of the same service that asks no database."
        " Bare sockets of one process share a core with the router; waking a service on the other one takes 0.1 ms.",
    ),
    Line(
        "a procedure of the same service that asks no database, against it",
        "",
        ("rights/a procedure of the same service that asks no database, by an RPC that does nothing",),
    ),
    Line(
        "one of a REST batch of 1,000 checks, against an RPC that does nothing",
        "",
        ("rights/one check of a REST batch of 1,000, by an RPC that does nothing",),
    ),
    Line(
        "a check where there are 100,000 grants against 10: over the bus, at a decision point",
        "<= 1.2",
        (
            "rights/flag.check over the bus, 100,000 grants against 10",
            "rights/decide at a decision point, 100,000 grants against 10",
        ),
        "It was 1.55 on one machine and is 1.00 on another. In the sweep (`deploy/README.md` has its figures) 99 of"
        " 100 took the same time from 10 to 100,000 grants on both.",
    ),
    Line(
        "revoked until cut, p99: 1,000 sessions, 100 visits through tunnels",
        "<= 1 s",
        ("cuts/revoke to cut, 1,000 sessions: p99", "cuts/revoke to cut, 100 visits: p99"),
    ),
    Line(
        "rows appended a second, 1 and 64 at once, before the bus",
        ">= 0.60",
        ("writes/append, 1 at once", "writes/append, 64 at once"),
    ),
    Line(
        "rows appended a second, 1 and 64 at once, over the bus",
        ">= 0.60",
        ("bus/append over the bus, 1 at once", "bus/append over the bus, 64 at once"),
        OTHER_TRIPS,
    ),
    Line(
        "`appendBulk` of 1,000: before the bus, over it",
        ">= 0.70",
        ("writes/bulk of 1,000 rows", "bus/bulk of 1,000 rows over the bus"),
        OTHER_TRIPS,
    ),
    Line(
        "history of 10,000 rows: before the bus, over it",
        ">= 0.70",
        ("reads/history of 10,000 rows", "bus/history of 10,000 rows over the bus"),
        OTHER_TRIPS,
    ),
    Line("series over 1,000,000 rows", ">= 0.70", ("reads/series over 1,000,000 rows",)),
    Line(
        "audited change against the change alone",
        ">= 0.80",
        ("audit/audited change, entry of 100 octets",),
        "An entry is a row more in the same transaction, and audit makes leaves of them on the two cores meanwhile.",
    ),
    Line(
        "audit entries integrated a second, 4 writers, against plain INSERTs",
        ">= 0.60",
        ("log/entries integrated, 4 writers, by plain INSERTs",),
        "An entry is written twice, to the queue and as a leaf, and hashed; all of it shares two cores.",
    ),
    Line(
        "inclusion proof over the bus, p95, by the size of the log",
        "<= 10 ms",
        ("log/inclusion proof, p95, log of *",),
        "It is asked by a person: the rights of whoever asks and the entry are read before the path.",
    ),
    Line(
        "verifying one entry, in a large log against a small one",
        "<= 1.5",
        ("log/verifying one entry, log of * by log of *",),
    ),
    Line(
        "tunnel octets to visitors, 1, 10 and 100 at once",
        ">= 0.85",
        (
            "tunnels/octets to visitors, 1 at once",
            "tunnels/octets to visitors, 10 at once",
            "tunnels/octets to visitors, 100 at once",
        ),
    ),
    Line(
        "tunnel octets to the device, 1, 10 and 100 at once",
        ">= 0.85",
        (
            "tunnels/octets to the device, 1 at once",
            "tunnels/octets to the device, 10 at once",
            "tunnels/octets to the device, 100 at once",
        ),
        "frp carries all visitors of a device in one TLS connection with windows; the relay has one for each.",
    ),
    Line(
        "new visitors a second, 1 and 16 at once",
        ">= 0.75",
        ("tunnels/new visitors, 1 at once", "tunnels/new visitors, 16 at once"),
    ),
    Line("added latency of an answer, p50", "<= 1 ms", ("tunnels/added latency of an answer, p50",)),
    Line(
        "sign-ins by password a second and core",
        ">= 15",
        ("sign_in/sign-ins by password a second and core",),
        "Argon2id with 64 MiB and 3 passes (RFC 9106, second choice) alone allows 9.4 a second on a core here.",
    ),
    Line("refreshes a second and core", ">= 120", ("sign_in/refreshes a second and core",)),
    Line("check of an API key over an empty call", "<= 1 ms", ("sign_in/check of an API key over an empty call",)),
    Line("`make up`, warm", "<= 10 s", ("platform/make up, warm",)),
    Line("`make up` from a bare clone", "<= 120 s", ("clone/make up from a bare clone",)),
    Line("memory (PSS) of the whole idle platform", "<= 900 MiB", ("platform/memory (PSS) of the idle platform",)),
    Line(
        "`make test`, whole",
        "<= 15 min",
        ("suite/make test",),
        "Nearly all of it are tests with the real router and PostgreSQL on two cores, and every part has grown.",
    ),
)
