"""Time constants of routing in seconds; a simulation may vary them."""

from enum import StrEnum

from msgspec import Struct

from mycelium.limits import DESTINATIONS


class Standing(StrEnum):
    """Whether a node stands as a landmark."""

    AUTO = "auto"  # where one is wanted
    YES = "yes"
    NO = "no"


class RoutingParameters(Struct, frozen=True):
    """The defaults are those of a real network."""

    scope: int = DESTINATIONS  # nodes that are kept; up to so many all are
    standing: Standing = Standing.AUTO
    is_leaf: bool = False  # tells of itself only, so that nobody's packets pass it
    urgent_batch_s: float = 0.002  # retractions, requests and answers are collected for this long
    many_neighbours: int = 100  # told at once, after more than which no changes are told for a while
    # such a rest for each of them, before retractions: twice what it takes to send a frame and take its acknowledgement
    urgent_rest_s: float = 0.0002
    rest_each_s: float = 0.001  # the same before better routes and other metrics
    # of changes, without rests, after a silence: six batches for 1,300 neighbours, 0.6 s of work
    free_frames: float = 8_192.0
    free_frames_per_s: float = 250.0  # the same while changes go on: a quarter of what rests leave
    batch_s: float = 0.006  # better routes are collected for this long
    lazy_s: tuple[float, float] = (15.0, 30.0)  # delay of an update that changes only the sequence, uniform
    # the same while some nodes are out of scope: landmarks, whose sequences go everywhere, are many there; once a
    # neighbour has asked for one, the others are told before their next digest
    lazy_scoped_s: tuple[float, float] = (60.0, 120.0)
    digest_s: float = 60.0  # between comparisons of tables with a neighbour, +- 20 %
    # first wait between requests for the whole table of one neighbour; doubles while digests differ
    resync_floor_s: float = 10.0
    resync_ceiling_s: float = 3_600.0  # longest such wait
    over_budget_s: float = 5.0  # between updates about routes that a neighbour changes more often than it may
    bump_s: float = 3_600.0  # between increases of an idle origin's sequence, +- 10 %
    bump_spacing_s: float = 0.1  # between increases that neighbours request
    jump_spacing_s: float = 2.0  # between jumps past a newer sequence of our own
    expiry_s: float = 3 * 3_600.0  # a node whose sequence stands still for this long is removed
    sweep_s: float = 600.0  # between searches for expired nodes
    # a feasibility distance is kept this long after the last neighbour held our route (RFC 8966 B)
    source_s: float = 180.0
    # a neighbour that is back within this time need not tell everything again; less than `source_s`
    resumed_s: float = 120.0
    memory_s: float = 24 * 3_600.0  # the newest sequence of a removed node is kept this long
    retry_floor_s: float = 0.1  # first retry of a request, at least; twice the path's metric if that is more; doubles
    request_tries: int = 5  # retries at that pace
    request_slow_s: float = 60.0  # between further retries, while the better route stays unfeasible
    relayed_request_s: float = 10.0  # how long the sender of a forwarded request is remembered
    home_s: float = 0.5  # from news about landmarks to the choice of a home
    home_avoided_s: float = 3_600.0  # a home at which a node was not found is taken only where there is no other
    landmark_after_s: float = 600.0  # age of a node that may become a landmark
    # from the want of a landmark until a node with 16 links is one, +- 50 %; those with fewer links wait longer
    landmark_wait_s: float = 10.0
    landmark_least_s: float = 1_800.0  # a landmark stays one for this long
    landmark_surplus_s: float = 600.0  # a landmark that nobody needs for this long stands down
    damping_unit_s: float = 1.0  # damping after the third failure in a row; doubles with each
    damping_ceiling_s: float = 30.0  # longest damping
    damping_forgiven_s: float = 60.0  # a link that was up for this long has no failures in a row

    def rest_s(self, neighbours: int, *, is_urgent: bool) -> float:
        """Returns the least time after a batch of changes for so many neighbours until the next one."""
        if neighbours <= self.many_neighbours:
            return 0.0
        return neighbours * (self.urgent_rest_s if is_urgent else self.rest_each_s)

    def lazy(self, *, is_cutting: bool) -> tuple[float, float]:
        """Returns the delay of an update that changes only the sequence, where some nodes are out of scope or none is."""
        return self.lazy_scoped_s if is_cutting else self.lazy_s
