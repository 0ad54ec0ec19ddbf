"""Data backends: the tables of one app of one project at one stage, as realms provisions them."""

from enum import Enum

from attrs import field, frozen

from shared import cells
from shared.clusters import FIRST
from shared.templates import Template


class Stage(Enum):
    """For which stage an app is installed, in the words of the published clients."""

    DEV = "DEV"
    PROD = "PROD"


@frozen
class Backend:
    """One that is ready: where its tables are, and as whom they are worked with.

    `epoch` counts its logins: each rotation makes a new one. `providers` are the apps, by name in lower case, whose
    tables it may read in the project, or `*`. `keeps` has, by table, how many seconds of rows are kept where people say
    otherwise than the template; `retention_change` is the last time that they did, where realms does not know yet that
    it is in force. `cluster` is the database server that it is on, and `placed` the how manieth that is.
    `cell` is that of its project, where alone its realm is.
    """

    backend_key: int
    project_key: int
    app_key: int
    app_name: str
    stage: Stage
    database: str
    schema: str
    login: str
    epoch: int
    template: Template | None
    providers: frozenset[str]
    keeps: dict[str, int] = field(factory=dict)
    retention_change: int | None = None
    cluster: str = FIRST
    placed: int = 1
    cell: str = cells.FIRST

    @property
    def realm(self) -> str:
        """The data realm that it serves: wire-sdk.md section 2."""
        return f"realm-{self.project_key}-{self.app_key}-{self.stage.value.lower()}"
