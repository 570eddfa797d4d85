from mycelium.routing.parameters import RoutingParameters


def test_the_defaults_fit_together() -> None:
    times = RoutingParameters()
    assert times.urgent_batch_s < times.batch_s < times.lazy_s[0] < times.lazy_s[1]
    assert times.lazy_s[1] <= times.lazy_scoped_s[0] < times.lazy_scoped_s[1] < times.bump_s
    assert times.resync_floor_s < times.resync_ceiling_s
    assert times.damping_unit_s < times.damping_ceiling_s < times.damping_forgiven_s
    assert times.source_s < times.expiry_s < times.memory_s
    assert 2 * times.bump_s < times.expiry_s  # a node survives a lost increase of its sequence
    assert times.retry_floor_s * 2**times.request_tries < times.request_slow_s
