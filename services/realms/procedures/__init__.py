"""The WAMP surface of realms."""
