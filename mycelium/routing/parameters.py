"""The times that routing lives by, all in seconds; a simulation may sweep them."""

from msgspec import Struct


class RoutingParameters(Struct, frozen=True):
    """Defaults are what a network is meant to run with."""

    urgent_batch_s: float = 0.002  # retractions, requests and answers are collected this long
    batch_s: float = 0.006  # better news this long
    lazy_s: tuple[float, float] = (15.0, 30.0)  # changes of nothing but the sequence
    digest_s: float = 60.0  # between comparisons of tables with a neighbour, +- 20 %
    resync_floor_s: float = 10.0  # between requests for the whole table of one neighbour; doubles while they don't help
    resync_ceiling_s: float = 3_600.0
    dump_spacing_s: float = 1.0  # a neighbour that wants our whole table more often is not answered
    bump_s: float = 3_600.0  # between sequences of a quiet origin, +- 10 %
    bump_spacing_s: float = 0.1  # at least, between sequences that others ask for
    jump_spacing_s: float = 10.0  # at least, between jumps past a newer sequence of ourselves
    expiry_s: float = 3 * 3_600.0  # a node whose sequence stands still that long is gone
    sweep_s: float = 600.0  # between looks for expired nodes
    source_s: float = 180.0  # a feasibility distance outlives the last neighbour that holds our route (RFC 8966 B)
    memory_s: float = 24 * 3_600.0  # a newest sequence outlives its feasibility distance
    retry_floor_s: float = 0.1  # first retry of a request, or twice the path's metric; doubles
    request_tries: int = 5
    request_slow_s: float = 60.0  # retries after those, while the better route stays out of reach
    relayed_request_s: float = 10.0  # how long the asker of a request that we passed on is remembered
    damping_unit_s: float = 1.0  # third death in a row: dear for 1 s, then 2 s ...
    damping_ceiling_s: float = 30.0
    damping_forgiven_s: float = 60.0  # a link that lived this long starts afresh
