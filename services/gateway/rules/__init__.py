"""The gateway's decisions, pure."""
