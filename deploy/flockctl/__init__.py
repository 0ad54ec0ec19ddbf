"""The operator's command line: a client of the bus like any other."""
