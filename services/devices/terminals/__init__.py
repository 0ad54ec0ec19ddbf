"""Shells of people on devices."""
