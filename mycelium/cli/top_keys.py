"""What the keys of `mycelium top` do: which link is chosen, what is shown, and when it ends."""

from typing import Final

from mycelium.cli.top_model import TopModel

UP: Final = "up"
DOWN: Final = "down"
ENTER: Final = "enter"
ESCAPE: Final = "escape"
_NAMES: Final = {
    b"\x1b[A": UP,
    b"\x1bOA": UP,
    b"k": UP,
    b"\x1b[B": DOWN,
    b"\x1bOB": DOWN,
    b"j": DOWN,
    b"\r": ENTER,
    b"\n": ENTER,
    b"\x1b": ESCAPE,
    b"\x03": "q",
}


def key_name(typed: bytes) -> str:
    """Returns the name of a key by what a terminal sends for it."""
    return _NAMES.get(typed) or typed.decode(errors="replace")


class TopKeys:
    """The state that keys change. `chosen` is the address of a link."""

    def __init__(self) -> None:
        self.chosen: str | None = None
        self.is_paused = False
        self.is_open = False  # whether the chosen link fills the screen
        self.is_over = False

    def press(self, key: str, model: TopModel, links: list[str]) -> None:
        """Takes a key; `links` are the addresses of the links in the order in which they are shown."""
        match key:
            case "s":
                model.next_order()
            case "p":
                self.is_paused = not self.is_paused
            case "up" | "down":
                self._move(-1 if key == UP else 1, links)
            case "enter":
                self._move(0, links)
                self.is_open = self.chosen is not None
            case "escape" if self.is_open:
                self.is_open = False
            case "q" | "escape":
                self.is_over = True

    def _move(self, step: int, links: list[str]) -> None:
        if self.chosen in links:
            self.chosen = links[min(max(links.index(self.chosen) + step, 0), len(links) - 1)]
        else:
            self.chosen = links[0] if links else None
