"""Backends that move to another cluster."""

from attrs import evolve, frozen

from services.fleetdb.records.backends import Backend


@frozen
class DueMove:
    """One whose rows are to be carried over: as it is now, and the cluster on which it was made, empty."""

    move_key: int
    backend: Backend
    to: str

    @property
    def target(self) -> Backend:
        """The backend as it will be."""
        return evolve(self.backend, cluster=self.to, placed=self.backend.placed + 1)


@frozen
class Shape:
    """A table as its cluster has it.

    Columns as the information schema tells of them: name, type, whether it may be NULL, `ALWAYS`, `BY DEFAULT` or None
    as its identity is generated. `keys` are the columns of its unique constraints by their names.
    """

    name: str
    columns: tuple[tuple[str, str, bool, str | None], ...]
    keys: dict[str, tuple[str, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """Of its columns."""
        return tuple(each[0] for each in self.columns)


@frozen
class Place:
    """How far a table was carried over: rows up to number `upto`, of those after the moment and number `after` all."""

    upto: int
    after: tuple[str, int] | None
    is_first: bool
