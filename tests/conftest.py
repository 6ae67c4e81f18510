"""Property tests here never depend on the clock, and look at the same examples each time."""

import pytest
from hypothesis import settings

settings.register_profile("posthouse", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2000)  # pytest --hypothesis-profile=explore
settings.load_profile("posthouse")


@pytest.hookimpl(trylast=True)  # after what shuffles them
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that no core waits for another's last file."""
    long = {"browser": 0, "proof": 1, "model": 1, "cli": 1}
    items.sort(key=lambda item: long.get(item.path.parent.name, 2))
