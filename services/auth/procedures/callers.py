"""Which services a procedure is for: the router's table says it too, and neither trusts the other."""

from shared.errors import NotAuthorizedError
from shared.identities import ServiceIdentity


def serve_only(service: ServiceIdentity, *names: str) -> None:
    """Let pass the services of these names.

    Raises:
        NotAuthorizedError: It is another one.
    """
    if service.name not in names:
        raise NotAuthorizedError("this procedure is not for you")
