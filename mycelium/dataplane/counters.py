"""Counters of the data path."""

from dataclasses import dataclass

from mycelium.counters import counter, drops


@dataclass(slots=True)
class DataplaneCounters:
    """Totals since the node started. A super-packet counts as one packet."""

    packets_sent: int = counter("Packets read from TUN and sent to other nodes.")
    packets_foreign_source: int = drops("Packets read from TUN and refused: the source address is not this node's.")
    packets_no_route: int = drops("Packets read from TUN and refused: no route to the destination.")
    packets_delivered: int = counter("Packets delivered to TUN.")
    packets_foreign: int = drops("Arrived packets dropped: source not the sender's, destination not ours, or not IPv6.")
    packets_congested: int = drops(
        "Arrived packets dropped: marked with Congestion Experienced on the way, of which their sender wants no marks."
    )
    packets_denied: int = drops("Arrived packets dropped by the policy.")
    refusals_sent: int = counter("ICMPv6 errors sent to nodes whose packets the policy does not let in.")
    packets_undeliverable: int = drops("Arrived packets refused: this node has no working TUN device.")
    items_unknown: int = drops("Items of an unknown type, skipped.")
    trains_forwarded: int = counter("Trains forwarded for other nodes.")
    trains_deflected: int = counter("Trains sent to another neighbour because the next hop was gone, or to try it.")
    trains_wrapped: int = counter("Trains sent towards the home of their destination.")
    trains_unwrapped: int = counter("Wrapped trains that go on to their own destination from this node.")
    trains_no_route: int = drops("Trains of other nodes dropped: no route to the destination.")
    trains_hop_limit: int = drops("Trains of other nodes dropped: hop limit exceeded.")
    trains_unknown_session: int = drops("Arrived trains dropped: sealed under keys that this node does not hold.")
    trains_not_opened: int = drops("Arrived trains dropped: not authentic, or replayed.")
    trains_malformed: int = drops(
        "Data frames with more than whole trains, trains of unknown kinds, or unsealed and of others, malformed items."
    )
    echoes_answered: int = counter("Requests for an echo answered.")
    echoes_refused: int = drops("Requests for an echo dropped: too many from one node.")
    speed_tests_answered: int = counter("Speed tests of other nodes answered.")
    speed_tests_refused: int = drops("Requests for a speed test refused: another one is under way, no budget, or off.")
    surveys_answered: int = counter("Questions of other nodes for the links of this one that were answered.")
    surveys_refused: int = drops("Questions for the links of this node dropped: too many.")
    probes_refused: int = drops("Probes of ways dropped: too many from one node.")
    relay_errors_sent: int = counter("Errors sent to the sources of trains that could not be forwarded.")
    relay_errors_refused: int = drops("Errors of relays ignored: not about a recent train, not authentic, or too many.")
    icmp_errors: int = counter("ICMPv6 errors delivered to local applications.")
