"""Whether a shortcut is still needed."""

from mycelium.peering.shortcut_use import IDLE, IDLE_BYTES, IDLE_S, UNUSED, ShortcutUse
from tests.support.small_meshes import link_of, ready_pair


def test_a_shortcut_without_traffic_is_idle_after_a_while() -> None:
    link = link_of(ready_pair(), "a", "b")
    use = ShortcutUse(now=0.0)
    assert use.judge(link, has_traffic=True, is_used=True, now=10.0) is None
    assert use.judge(link, has_traffic=False, is_used=True, now=9.9 + IDLE_S) is None
    assert use.judge(link, has_traffic=False, is_used=True, now=10.0 + IDLE_S) == IDLE


def test_packets_of_others_keep_it_and_what_keeps_a_link_alive_does_not() -> None:
    link = link_of(ready_pair(), "a", "b")
    use = ShortcutUse(now=0.0)
    use.judge(link, has_traffic=True, is_used=True, now=0.0)
    link.paths.active.tx_bytes += IDLE_BYTES
    assert use.judge(link, has_traffic=False, is_used=True, now=IDLE_S) == IDLE
    link.paths.active.rx_bytes += 1
    assert use.judge(link, has_traffic=False, is_used=True, now=IDLE_S) is None
    assert use.judge(link, has_traffic=False, is_used=True, now=2 * IDLE_S) == IDLE


def test_a_link_that_routing_does_not_choose_is_of_no_use() -> None:
    link = link_of(ready_pair(), "a", "b")
    use = ShortcutUse(now=0.0)
    assert use.judge(link, has_traffic=True, is_used=True, now=5.0) is None
    assert use.judge(link, has_traffic=True, is_used=False, now=4.9 + IDLE_S) is None
    assert use.judge(link, has_traffic=True, is_used=False, now=5.0 + IDLE_S) == UNUSED


def test_a_link_that_only_the_far_end_uses_is_needed() -> None:
    link = link_of(ready_pair(), "a", "b")
    use = ShortcutUse(now=0.0)
    link.paths.active.rx_bytes += IDLE_BYTES + 1
    assert use.judge(link, has_traffic=True, is_used=False, now=IDLE_S) is None
