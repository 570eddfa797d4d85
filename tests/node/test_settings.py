"""What an operator may ask of a node's protocol."""

import pytest

from mycelium.errors import LocalError
from mycelium.limits import PREFIXES_PER_NODE
from mycelium.node.settings import NodeSettings
from mycelium.wire.announcement import Prefix
from mycelium.wire.datagram import SUITE_AES_256_GCM

PREFIX = (16, b"\xfd" + bytes(15))


@pytest.mark.parametrize(
    "prefixes", [(PREFIX,) * (PREFIXES_PER_NODE + 1), ((129, bytes(16)),), ((-1, bytes(16)),), ((16, bytes(4)),)]
)
def test_prefixes_that_no_announcement_can_hold_are_refused(prefixes: tuple[Prefix, ...]) -> None:
    with pytest.raises(LocalError):
        NodeSettings(suites=SUITE_AES_256_GCM, prefixes=prefixes)


def test_prefixes_up_to_the_bound_are_taken() -> None:
    prefixes = (PREFIX,) * PREFIXES_PER_NODE
    assert NodeSettings(suites=SUITE_AES_256_GCM, prefixes=prefixes).prefixes == prefixes
