"""The one-shot process that makes the database's roles, rights and schemas on a server that is not of this machine."""
