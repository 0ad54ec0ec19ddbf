"""How fleetdb logs in to a data backend."""

from datetime import datetime, timedelta

from attrs import field, frozen


@frozen
class Certified:
    """What realms answers to a public key: the certificate in PEM, and when it ends."""

    certificate: str
    ends_at: datetime


@frozen
class Admitted:
    """What realms answers about a person who reads by SQL: their login at a backend, with its certificate in PEM."""

    login: str
    certificate: str
    ends_at: datetime


@frozen
class Login:
    """A key pair with its certificate, in PEM; as it is stored, the private key is sealed."""

    backend_key: int
    epoch: int
    private_key: bytes = field(repr=False)
    certificate: str
    starts_at: datetime
    ends_at: datetime

    @property
    def due_at(self) -> datetime:
        """When two thirds of its life are over: from then on there is to be a new one."""
        return self.starts_at + (self.ends_at - self.starts_at) * 2 / 3

    def holds(self, now: datetime, margin: timedelta) -> bool:
        """Whether it can be used at `now` and for `margin` longer."""
        return now + margin < self.ends_at
