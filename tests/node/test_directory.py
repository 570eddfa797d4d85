"""What a node knows of where others are at home."""

from mycelium.node.directory import Directory

ADDRESS = b"\x04" + bytes(15)


def test_an_empty_directory_knows_nobody() -> None:
    directory = Directory()
    assert directory.home_of(ADDRESS) is None
    assert directory.resolve(ADDRESS, now=0.0) is None
