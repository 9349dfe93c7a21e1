"""What holds for all tests."""

import os

from hypothesis import settings

# No deadline: a busy machine is not a bug. In CI the examples are the same every time, so that what passed passes.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")
