"""The audit log; so far its schema, into which every service records in its own transaction."""
