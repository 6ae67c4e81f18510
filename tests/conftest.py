"""Property tests here never depend on the clock, and look at the same examples each time."""

from hypothesis import settings

settings.register_profile("posthouse", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2000)  # pytest --hypothesis-profile=explore
settings.load_profile("posthouse")
