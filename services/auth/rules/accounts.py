"""The decisions about accounts. Pure."""

from services.auth.records.accounts import Account
from shared.errors import InvalidArgumentError
from shared.names import canonical_name


def confirm_login(account: Account, confirm: str) -> None:
    """Let pass whoever named the account by its own login name.

    Raises:
        InvalidArgumentError: They did not; neither name is repeated.
    """
    if canonical_name(confirm) != canonical_name(account.login_name):
        raise InvalidArgumentError("to confirm, give the login name of the account itself", argument="confirm")
