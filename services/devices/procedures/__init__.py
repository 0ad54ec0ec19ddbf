"""The WAMP surface of devices: one file for people, one for agents."""
