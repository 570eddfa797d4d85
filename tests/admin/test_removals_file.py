"""Who was removed, as text: what goes comes back, and nothing else is taken."""

import pytest

from mycelium.admin.removals_file import REMOVALS_FILE_BYTES, read_removals, removals_text, told_at_once
from mycelium.errors import ConfigError
from mycelium.limits import API_BODY_BYTES, REMOVAL_PARTS, REMOVED_PER_PART
from mycelium.wire.membership import Removals

FULL = [Removals(part, 1, (bytes(8),) * REMOVED_PER_PART) for part in range(REMOVAL_PARTS)]


def test_all_parts_survive_within_the_bounds_of_the_file_and_of_requests() -> None:
    text = removals_text(FULL)
    assert len(text) <= REMOVALS_FILE_BYTES
    assert read_removals(text, "") == FULL
    pieces = list(told_at_once(FULL))
    assert max(map(len, pieces)) < API_BODY_BYTES - 1_000
    assert "".join(pieces) == text


@pytest.mark.parametrize("text", ["", "\n", "?", "AAAA", "\ufffd", removals_text(FULL[:2]) + "A"])
def test_anything_else_is_one_clear_error(text: str) -> None:
    with pytest.raises(ConfigError, match="that file is not what 'mycelium network remove' writes"):
        read_removals(text, "that file")
