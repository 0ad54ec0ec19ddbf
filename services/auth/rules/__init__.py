"""The decisions of auth, pure: no I/O, no clock; randomness comes in as octets."""
