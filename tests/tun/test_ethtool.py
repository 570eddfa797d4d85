"""The offload features of an interface as a whole."""

import pytest

from mycelium.tun.ethtool import active_features, set_features
from tests.tun.support import Side


@pytest.mark.netns
def test_features_are_switched_off_and_on_again(side: Side) -> None:
    with side.host.entered():
        features = active_features("mesh0")
        assert any(features)
        set_features("mesh0", features, tuple(0 for _ in features))
        without = active_features("mesh0")
        assert without != features
        set_features("mesh0", without, features)
        assert active_features("mesh0") == features


def test_no_interface_is_an_error_with_its_reason() -> None:
    with pytest.raises(OSError, match="No such device"):
        active_features("nobody0")
