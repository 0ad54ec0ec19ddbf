"""The newest of a long list, or all of it."""

from typing import Annotated, Any, Final

import typer

from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 1_000

Limit = Annotated[int | None, typer.Option(help=f"At most so many (default: {DEFAULT_LIMIT}).", min=1, max=MAX_LIMIT)]
Everything = Annotated[bool, typer.Option("--all", help="All of them, in pages.")]


def check_limit(limit: int | None, *, everything: bool) -> None:
    """See that not both a limit and all are asked for.

    Raises:
        CommandError: They are.
    """
    if everything and limit is not None:
        raise CommandError("usage", "--limit and --all cannot be said together. See --help.", ExitStatus.USAGE)


async def newest(
    operator: Operator, procedure: str, items: str, *, limit: int | None, everything: bool, **arguments: Any
) -> dict[str, Any]:
    """One page of `items` and where the next one begins, or all of them."""
    if everything:
        return {items: [each async for each in operator.pages(procedure, items, **arguments)], "next": None}
    page = await operator.call(procedure, limit=limit or DEFAULT_LIMIT, **arguments)
    return {items: page[items], "next": page["next"]}


def say_whether_more(operator: Operator, page: dict[str, Any]) -> None:
    """Tell people that what they see is not all."""
    if page["next"] is not None:
        operator.output.notice("there are more; --limit or --all shows them")
