"""The attacks by name: what each repeats, how often a second the first audit saw it do harm, and what is counted."""

from collections.abc import Callable
from typing import Final, NamedTuple

from tests.hostile.attacker import Attacker
from tests.hostile.link_floods import (
    ask_for_repairs,
    draw_errors,
    probe_without_end,
    request_broken_sessions,
    request_sessions,
    send_junk,
)
from tests.hostile.many_faces import begin_handshakes, open_links, open_links_of_a_site, open_links_of_ten_subnets
from tests.hostile.proof_floods import begin_proved_sessions, want_proofs
from tests.hostile.routing_lies import (
    begin_streams,
    begin_streams_with_forgeries,
    inflate_sequences,
    make_up_nodes,
    request_knocks,
    request_leases,
    request_routes,
    send_digests,
    show_certificates,
    swing_metrics,
    take_prefixes,
)
from tests.hostile.session_floods import request_speed_tests, send_denied_packets, send_hints


class Act(NamedTuple):
    """One attack: `prepare` returns what is done again and again, `each` things at a time; `seconds` that it takes to harm."""

    prepare: Callable[[Attacker], Callable[[], None]]
    per_second: float
    things: str
    each: float = 1
    seconds: float = 5.0
    over_ipv6: bool = False
    of_member: bool = False  # in a network of members, of which the attacker is one


ACTS: Final = {
    "begin handshakes": Act(begin_handshakes, 1_000, "handshakes"),
    "begin streams with forgeries": Act(begin_streams_with_forgeries, 20_000, "announcements", 7),
    "begin streams": Act(begin_streams, 10, "streams"),
    "open links": Act(open_links, 50, "links"),
    "open links of a site": Act(open_links_of_a_site, 100, "links", seconds=10.0, over_ipv6=True),
    "open links of ten subnets": Act(open_links_of_ten_subnets, 50, "links", seconds=10.0, over_ipv6=True),
    "make up nodes": Act(make_up_nodes, 2_000, "nodes", 7, seconds=40.0),
    "swing metrics": Act(swing_metrics, 100_000, "updates", 33),
    "inflate sequences": Act(inflate_sequences, 2_000, "announcements", 7, seconds=10.0),
    "take prefixes": Act(take_prefixes, 1_000, "announcements", 6, seconds=15.0),
    "request routes": Act(request_routes, 10_000, "requests", 40),
    "send digests": Act(send_digests, 1_000, "digests", 40),
    "request leases": Act(request_leases, 10_000, "requests", 40),
    "request knocks": Act(request_knocks, 10_000, "requests", 40),
    "show certificates": Act(show_certificates, 500, "certificates and removals", 0.25, of_member=True),
    "want proofs": Act(want_proofs, 1_000, "wishes and parts", of_member=True),
    "begin proved sessions": Act(begin_proved_sessions, 300, "requests", of_member=True),
    "request sessions": Act(request_sessions, 300, "requests"),
    "request broken sessions": Act(request_broken_sessions, 300, "requests"),
    "send junk": Act(send_junk, 5_000, "frames"),
    "probe without end": Act(probe_without_end, 2_000, "probes"),
    "ask for repairs": Act(ask_for_repairs, 2_000, "requests"),
    "draw errors": Act(draw_errors, 2_000, "trains"),
    "send hints": Act(send_hints, 1_000, "hints and probes"),
    "send denied packets": Act(send_denied_packets, 2_000, "packets"),
    "request speed tests": Act(request_speed_tests, 300, "requests"),
}
