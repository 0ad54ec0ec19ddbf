"""The decisions of realms. Pure."""
