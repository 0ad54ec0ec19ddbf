"""The WAMP surface of privileges."""
