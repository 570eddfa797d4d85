"""All about one link on one screen."""

import pytest
from msgspec.structs import replace

from mycelium.admin.control import EventInfo
from mycelium.admin.diagnosis import LinkInfo
from mycelium.cli.top_details import details
from mycelium.cli.top_model import TopModel
from tests.cli.test_top_model import link, sample

NEAR = "4fc:47a4::1"  # the next hop of the session in the sample


def drawn(one: LinkInfo, width: int = 80, height: int = 24, events: int = 3) -> list[str]:
    model = TopModel()
    happened = [
        EventInfo(sequence=n, time=0.0, kind=f"kind-{n}", node=NEAR if n % 2 else "400::9") for n in range(events)
    ]
    shown = model.take(replace(sample(1.0, one, link("400::9")), events=happened))
    found = model.link(one.address)
    assert found is not None
    row = next(row for row in shown.links if row.address == one.address)
    return details(shown, row, found, width=width, height=height)


def test_paths_sessions_and_events_of_this_link_are_shown() -> None:
    text = "\n".join(drawn(link(NEAR, name="hub", routes=7)))
    assert text.startswith(f"hub  {NEAR}\nEscape back")
    for part in ("key abab", "up for 1m30s", "round trip 1.0 ms", "loss 1.0%, cost 1.20 ms, 7 nodes", "kind-1"):
        assert part in text
    assert "udp://[2001:db8:1234:5678:9abc:def0:1234:5678]:9651" in text
    assert "5c3:943d" in text, "a session over it"
    assert "kind-0" not in text, "events of others"


def test_a_link_that_is_down_has_gaps() -> None:
    text = "\n".join(drawn(link(NEAR, state="down", cost=None, loss=None, up_s=None, rtt_ms=None)))
    assert "round trip - ms, median -" in text
    assert "loss unknown, cost none" in text


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 10), (200, 60), (40, 5)])
def test_it_fits_and_the_newest_events_are_shown(width: int, height: int) -> None:
    one = link(NEAR)
    lines = drawn(replace(one, paths=one.paths * 12), width, height, events=60)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    if height >= 24:
        assert "kind-59" in lines[-1]


def test_a_link_that_is_gone_has_none() -> None:
    assert TopModel().link(NEAR) is None
