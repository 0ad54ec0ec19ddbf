"""The WAMP surface of audit: entries, heads, retention."""
