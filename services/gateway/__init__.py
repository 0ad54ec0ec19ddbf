"""The HTTPS front; so far health and the agents' update files, REST comes with the accounts."""
