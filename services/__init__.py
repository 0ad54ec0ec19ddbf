"""The services: one process each, one folder each, the same rooms in each; they meet on the bus only."""
