from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.examples import examples


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    name = settings.get_current_profile_name()
    yield
    settings.load_profile(name)


@pytest.mark.parametrize(("profile", "number"), [("ci", 30), ("mutate", 30), ("deep", 3_000)])
def test_a_test_has_as_many_examples_more_as_the_profile(profile: str, number: int) -> None:
    settings.load_profile(profile)
    assert examples(30) == number
