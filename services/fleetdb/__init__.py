"""Serves the tables of apps on their data realms, each through its own login of its own database."""
