"""Makes databases, schemas and logins of data backends: a process of its own, which alone may (decision 3).

It is on no bus and listens to nobody: it takes jobs of fixed kinds from a table, does each in steps that may be done
again, and writes down how it ended. Whatever it was at when it died is done again by the next one.
"""
