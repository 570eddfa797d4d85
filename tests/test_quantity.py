"""One of something has no s, and any other number of it has."""

import pytest

from mycelium.quantity import quantity


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 links"), (1, "1 link"), (2, "2 links"), (21, "21 links"), (2_048, "2,048 links")]
)
def test_a_number_has_the_word_that_fits_it(count: int, text: str) -> None:
    assert quantity(count, "link") == text
