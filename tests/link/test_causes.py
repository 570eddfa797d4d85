"""What operators read of a link that does not come up."""

from mycelium.link.causes import other_version, wrong_key


def test_two_keys_are_shown_by_as_many_digits_as_tell_them_apart() -> None:
    found, pinned = bytes.fromhex("25b7" + "11" * 30), bytes.fromhex("abab" + "11" * 30)
    assert wrong_key(found, pinned) == (
        "answered with key 25b7…, not the pinned abab…: is the pin old, or is somebody in between?"
    )
    assert "key 25b701…, not the pinned 25b702…" in wrong_key(b"\x25\xb7\x01" + bytes(29), b"\x25\xb7\x02" + bytes(29))


def test_the_versions_of_both_ends_are_named() -> None:
    assert other_version(9) == "it speaks version 9 of the protocol, this node version 1"
