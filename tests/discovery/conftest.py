"""Hypothesis without a deadline: how long an example takes on a shared machine is no law of ours."""

from hypothesis import settings

settings.register_profile("discovery", deadline=None)
settings.load_profile("discovery")
