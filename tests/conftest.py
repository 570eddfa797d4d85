"""Settings every test shares: hypothesis profiles, and where the namespace tests stand in a run."""

import os
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.configuration import set_hypothesis_home_dir

set_hypothesis_home_dir(".cache/hypothesis")
BUSY: Final = (HealthCheck.too_slow,)  # it measures the machine, which others may use too
settings.register_profile("ci", derandomize=True, max_examples=50, deadline=None, suppress_health_check=BUSY)
settings.register_profile("deep", max_examples=5_000, deadline=None, suppress_health_check=BUSY)
settings.register_profile("mutate", settings.get_profile("ci"), phases=(Phase.explicit, Phase.generate))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the namespace tests last."""
    for item in items:
        if item.get_closest_marker("netns") is not None and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="network namespaces need root"))
    items.sort(key=lambda item: item.get_closest_marker("netns") is not None)
