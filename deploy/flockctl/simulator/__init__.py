"""A stand-in for the published device agent: the same wire, no device behind it."""
