"""What a router tells of live followers."""

from attrs import frozen


@frozen
class Followed:
    """What one session was sent of one table within a minute: so many rows, from and to these Unix milliseconds.

    A device and the app whose credential it joined by (None: a legacy one), or a person and the board.
    """

    project_key: int
    app_key: int
    stage: str
    session: int
    role: str
    device_key: int | None
    reader_app_key: int | None
    account_key: int | None
    board_key: int | None
    table: str
    from_ms: int
    to_ms: int
    events: int
    rows: int


@frozen
class Taken:
    """Some of these, and the number by which they are said to be written down."""

    number: int
    sums: tuple[Followed, ...]
