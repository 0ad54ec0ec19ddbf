"""The audit log: a transparency log of what every service recorded, readable by whom it concerns, verifiable by all."""
