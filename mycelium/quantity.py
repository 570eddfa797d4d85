"""Numbers of things, for people."""


def quantity(count: int, one: str) -> str:
    """Writes how many there are of something, by the word for one of it: 1 link, 2,048 links."""
    return f"{count:,} {one}" if count == 1 else f"{count:,} {one}s"
