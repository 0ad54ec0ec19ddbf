"""The HTTPS surface of the gateway: what is served where."""
