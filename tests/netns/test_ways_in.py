"""What README.md says to type at each place brings a node into the mesh there."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.lab import places
from tests.lab.daemon import LabDaemon, start_all
from tests.lab.laboratory import Lab
from tests.lab.ping import ping
from tests.lab.places import Place
from tests.lab.waiting import wait_until

pytestmark = pytest.mark.netns

README: Final = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECONDS: Final = 30.0
PLACES: Final[dict[str, Callable[[Lab], Place]]] = {
    "behind a home router (NAT)": places.home,
    "UDP is blocked": places.without_udp,
    "behind a company's proxy, port 443 only": places.company,
    "a LAN where others run it": places.lan,
    "IPv4 only": places.ipv4_only,
    "IPv6 only": places.ipv6_only,
}


def written() -> dict[str, list[str]]:
    """Returns what README.md says to add to the command line at each place."""
    rows = re.findall(r"^\| (?P<place>[^|]+) \| `mycelium(?P<options>[^`|]*)` \|", README, re.MULTILINE)
    return {place: shlex.split(options) for place, options in rows}


def test_each_place_is_tried() -> None:
    assert written().keys() == PLACES.keys()


@pytest.mark.parametrize("name", PLACES)
def test_a_node_joins_by_what_is_written(lab: Lab, tmp_path: Path, name: str) -> None:
    place = PLACES[name](lab)
    listen = ["--listen", "udp://[::]:9651", "tcp://[::]:9651", "tcp://[::]:443"]
    hub = LabDaemon(place.hub, tmp_path, options=listen, discovers=True)
    node = LabDaemon(place.host, tmp_path, options=written()[name], discovers=True)
    lab.daemons += [hub, node]
    start_all([hub, node])
    wait_until(lambda: hub.public_key in node.alive_peers(), SECONDS, "the node is in the mesh")
    wait_until(lambda: ping(place.host, hub.address, count=1).received, SECONDS, "the hub answers")
