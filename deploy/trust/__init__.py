"""Which authorities an installation in a cluster believes, and how one of them follows another."""
