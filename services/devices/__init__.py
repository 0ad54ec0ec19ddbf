"""The registry of devices: who they are, how they are flashed, whether they are there."""
