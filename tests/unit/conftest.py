"""Hypothesis profiles, chosen by HYPOTHESIS_PROFILE, and the reactor before any test module imports it."""

import os

from hypothesis import settings

import shared.service  # noqa: F401 - installs the asyncio reactor and insists on being the first

# `fast` repeats the same examples in every run; `deep` looks for new ones.
settings.register_profile("fast", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("deep", max_examples=5_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))
