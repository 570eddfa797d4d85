"""What `mycelium top` makes of one answer after the other: rates, spreads, order."""

import pytest
from msgspec.structs import replace

from mycelium.admin.control import EventInfo
from mycelium.admin.diagnosis import LinkInfo
from mycelium.cli.top_model import EVENTS, KEPT, ORDERS, Sample, TopModel
from tests.api.fake_diagnosis import FakeDiagnosis
from tests.api.support import FakeNode

[LINK] = FakeDiagnosis().links()
[SESSION] = FakeDiagnosis().sessions()
STATUS = FakeNode().status()


def link(address: str = "400::1", *, rtt_ms: float | None = 1.0, **fields: object) -> LinkInfo:
    paths = [replace(LINK.paths[0], rtt_ms=rtt_ms)]
    return replace(LINK, address=address, paths=paths, **fields)


def sample(at: float, *links: LinkInfo, sealed: int = 0, events: int = 0) -> Sample:
    happened = [EventInfo(sequence=number, time=at, kind="link-up") for number in range(events)]
    return Sample(at, STATUS, list(links), [replace(SESSION, sealed_bytes=sealed)], happened)


def test_rates_are_what_was_added_between_two_samples() -> None:
    model = TopModel()
    first = model.take(sample(10.0, link(tx_bytes=1_000, rx_bytes=500)))
    assert (first.tx_rate, first.rx_rate) == (0.0, 0.0)
    second = model.take(sample(12.0, link(tx_bytes=5_000, rx_bytes=700), sealed=32))
    assert (second.links[0].tx_rate, second.links[0].rx_rate) == (2_000.0, 100.0)
    assert (second.tx_rate, second.rx_rate, second.sessions[0].tx_rate) == (2_000.0, 100.0, 16.0)


def test_a_count_that_begins_anew_and_a_new_link_make_no_leap() -> None:
    model = TopModel()
    model.take(sample(10.0, link(tx_bytes=1_000_000), sealed=1_000_000))
    shown = model.take(sample(11.0, link(tx_bytes=300), link("400::2", tx_bytes=77_777), sealed=160))
    rates = {one.address: one.tx_rate for one in shown.links}
    assert rates == {"400::1": 300.0, "400::2": 0.0}
    assert shown.sessions[0].tx_rate == 160.0


def test_round_trips_have_a_median_and_a_95th_percentile_of_the_last_minute() -> None:
    model = TopModel()
    for number in range(2 * KEPT):
        shown = model.take(sample(float(number), link(rtt_ms=float(number))))
    [row] = shown.links
    assert (row.rtt_ms, row.median_ms, row.p95_ms, len(row.rtts_ms)) == (119.0, 90.0, 117.0, KEPT)
    [row] = model.take(sample(200.0, link(state="down", rtt_ms=5.0))).links
    assert (row.rtt_ms, row.rtts_ms[-1], row.median_ms) == (None, None, 90.0)
    assert model.take(sample(201.0, link("400::9"))).links[0].rtts_ms == [1.0], "a link that is gone is forgotten"


@pytest.mark.parametrize(
    ("order", "first"), [("traffic", "400::1"), ("rtt", "400::2"), ("loss", "400::3"), ("name", "400::4")]
)
def test_links_are_sorted_by_what_was_asked_for(order: str, first: str) -> None:
    model = TopModel()
    while model.order != order:
        model.next_order()
    quiet = {"loss": 0.0, "rx_bytes": 0, "tx_bytes": 0}
    model.take(sample(1.0, link("400::1", **quiet)))
    links = [
        link("400::1", **(quiet | {"tx_bytes": 9_999})),
        link("400::2", rtt_ms=50.0, **quiet),
        link("400::3", **(quiet | {"loss": 0.5})),
        link("400::4", name="anna", **quiet),
    ]
    if order == "name":
        links = [replace(one, name=one.name or "zoe") for one in links]
    assert model.take(sample(2.0, *links)).links[0].address == first


def test_the_orders_come_round() -> None:
    model = TopModel()
    for _ in ORDERS:
        model.next_order()
    assert model.order == ORDERS[0]


def test_only_the_newest_events_are_kept() -> None:
    model = TopModel()
    assert len(model.take(sample(1.0, events=3 * EVENTS)).events) == EVENTS
