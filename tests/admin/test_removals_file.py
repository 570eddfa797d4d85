"""Who was removed, as text: what goes comes back, and nothing else is taken."""

from base64 import b64encode

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


OLDER = b64encode(bytes(6) + b"removed." + bytes(64)).decode()  # signed by Ed25519 alone


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "that file is empty"),
        ("\n", "that file is empty"),
        ("\n" * (REMOVALS_FILE_BYTES + 1), "that file is longer than what 'mycelium network remove' writes can be"),
        ("?", "line 1 of that file is not what 'mycelium network remove' writes, or only a part of it"),
        ("\ufffd", "line 1 of that file is not what"),
        (removals_text(FULL[:2]) + "A", "line 3 of that file is not what"),
        ("AAAA", "line 1 of that file is too short"),
        (
            OLDER,
            "line 1 of that file is of another version of mycelium .*wrong length.: 'mycelium network remove' of this version",
        ),
    ],
)
def test_anything_else_is_one_clear_error(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        read_removals(text, "that file")
