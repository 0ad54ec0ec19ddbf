"""The decisions of realms. Pure."""

from services.realms.records import Project


def may_see(project: Project, account_key: int) -> bool:
    """Whether the person may know of the project: its owner may; members come with the privileges service."""
    return project.owner_account_key == account_key
