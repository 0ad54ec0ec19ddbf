"""Rollouts: a change over many devices, in waves."""
