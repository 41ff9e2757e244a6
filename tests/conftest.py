"""Every run draws the same examples, so that a property that was not vacuous never is."""

from hypothesis import settings

settings.register_profile("kappa", derandomize=True, deadline=None, database=None)
settings.load_profile("kappa")
