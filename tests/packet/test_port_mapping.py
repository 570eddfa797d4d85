"""A mapping is told alike by both protocols that have a codec here."""

from mycelium.packet.nat_pmp import nat_pmp_answer
from mycelium.packet.pcp import pcp_answer
from tests.packet import test_nat_pmp, test_pcp


def test_both_protocols_tell_of_the_same_mapping() -> None:
    by_nat_pmp = nat_pmp_answer(test_nat_pmp.map_answer(), 9651, "11.0.1.2")
    assert by_nat_pmp == pcp_answer(test_pcp.answer(), 9651, test_pcp.NONCE)
    assert (by_nat_pmp.host, by_nat_pmp.port, by_nat_pmp.lifetime_s) == ("11.0.1.2", 40_001, 600)
