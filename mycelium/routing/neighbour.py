"""Neighbours (RFC 8966 section 3.2.4): one per live link, each with a slot number that indexes the routes of every row."""

from math import inf
from typing import Final

from mycelium.identity import ADDRESS_BYTES
from mycelium.routing.budgets import Budgets
from mycelium.routing.destination import Destination
from mycelium.timing import Backoff
from mycelium.wire.announcement import Announcement
from mycelium.wire.control import Item
from mycelium.wire.distance import INFINITY

DAMPED_COST: Final = 1_000_000  # 10 s: worse than any other route, better than none


def node_of(neighbour: bytes) -> bytes:
    """Returns the node that a neighbour is: its name begins with the overlay address, and ends there for all but one of it."""
    return neighbour[:ADDRESS_BYTES]


class Neighbour:
    """The state of one neighbour, and the items that wait to be sent to it."""

    __slots__ = (
        "address",
        "answers",
        "bit",
        "budgets",
        "damped_until",
        "digest_at",
        "digest_due",
        "distrusted",
        "dump_due",
        "dumped_at",
        "heard",
        "lacking",
        "link_cost",
        "newer",
        "node",
        "offer_until",
        "over_share_until",
        "received",
        "requests",
        "resumed",
        "resync",
        "resync_at",
        "retractions",
        "routes",
        "slot",
        "sums",
        "sure_in",
        "suspected",
        "table_wanted_at",
        "untold",
        "up_since",
        "updates",
    )

    def __init__(self, address: bytes, slot: int, cost: int, *, budgets: Budgets, resync: Backoff, now: float) -> None:
        self.address = address
        self.node = node_of(address)
        self.slot = slot
        self.bit = 1 << slot
        self.link_cost = cost
        self.budgets = budgets
        self.suspected = False
        self.distrusted = False  # what it should forward does not arrive
        self.damped_until = 0.0
        self.up_since = now
        self.over_share_until = 0.0  # until then it may bring no new node
        self.digest_at = inf
        self.table_wanted_at = inf  # when to request its whole table, because part of it was refused
        self.heard: set[bytes] | None = None  # nodes it mentioned since its whole table was requested; never iterated
        self.routes = 0  # how many finite ones it advertises
        self.received: int | None = None  # their sum (`digest.py`); None until it is wanted first
        self.lacking = 0  # sum of the rows that it does not hold, but others (`holdings.py`)
        self.resync = resync  # waits between requests for its whole table
        self.resync_at = 0.0  # earliest time of the next such request
        self.dump_due = True  # a new stream starts with our whole table
        self.dumped_at = -inf  # when it was told a portion of that last
        self.untold: list[Destination] = []  # rows of a dump under way, the next one last
        self.offer_until = 0.0  # until then most of a dump waits for what the other end has kept (`resumption.py`)
        self.resumed: dict[bytes, int] = {}  # routes that it has kept, by node, while a dump has not come to them
        # Sums (`digest.py`) of what it may hold: of all that it acknowledged, and of what each batch since has made of that.
        self.sums: list[int] = []
        self.sure_in = 0  # the newest batch up to which it has acknowledged all
        self.digest_due = False
        self.answers: dict[Destination, None] = {}  # rows to be sent although they did not change
        self.newer: dict[bytes, Announcement] = {}  # announcements that it seems not to know, by node
        self.retractions: list[Item] = []
        self.requests: list[Item] = []
        self.updates: list[Item] = []

    def cost(self, *, now: float) -> int:
        """Returns the cost of routes through it: INFINITY while suspected, DAMPED_COST more while damped or distrusted."""
        if self.suspected:
            return INFINITY
        is_last_choice = self.distrusted or now < self.damped_until
        return min(self.link_cost + DAMPED_COST, INFINITY - 1) if is_last_choice else self.link_cost
