"""Records: what is missing, unknown or malformed."""

from sim.report.report import collect
from sim.report.summary import number_rows


def test_unknown_and_malformed_records_are_counted_and_passed_over() -> None:
    report = collect(
        [{"type": "weather"}, {}, {"type": "node"}, {"type": "sample", "t": "late"}, {"type": "run", "nodes": 5}]
    )
    assert report.unread == 4
    assert report.run.nodes == 5
    assert dict(number_rows(report))["records passed over"] == "4"


def test_an_unknown_field_is_passed_over() -> None:
    report = collect([{"type": "node", "node": 3, "degree": 2, "shoe_size": 43}])
    assert [node.degree for node in report.nodes] == [2]
