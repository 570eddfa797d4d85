import pytest

from mycelium.routing import source as source_module
from mycelium.routing.source import ForgottenSources
from tests.routing.engines import address, announcement


@pytest.fixture
def sources() -> ForgottenSources:
    return ForgottenSources(memory_s=100.0)


def remember(sources: ForgottenSources, name: int, *, now: float) -> None:
    sources.remember(address(name), announcement(name, 5), now - 10.0, now=now)


def test_a_source_is_recalled_until_its_time_is_over(sources: ForgottenSources) -> None:
    remember(sources, 1, now=20.0)
    source = sources.recall(address(1), now=119.9)
    assert source is not None
    assert (source.announcement, source.advanced) == (announcement(1, 5), 10.0)
    assert sources.recall(address(1), now=120.0) is None
    assert sources.recall(address(2), now=20.0) is None


def test_a_node_with_a_row_again_is_forgotten(sources: ForgottenSources) -> None:
    remember(sources, 1, now=0.0)
    sources.forget(address(1))
    sources.forget(address(2))
    assert (sources.recall(address(1), now=0.0), len(sources)) == (None, 0)


def test_a_sweep_drops_what_has_expired_and_no_more(sources: ForgottenSources) -> None:
    for name, now in ((1, 0.0), (2, 50.0), (1, 80.0), (3, 90.0)):
        remember(sources, name, now=now)
    sources.purge(now=150.0)
    assert list(sources.by_node) == [address(1), address(3)]


def test_beyond_the_bound_the_oldest_is_forgotten(sources: ForgottenSources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "DESTINATIONS", 2)
    for name in (1, 2, 3):
        remember(sources, name, now=float(name))
    assert list(sources.by_node) == [address(2), address(3)]
