"""The node's settings, as the operator's say."""

from pathlib import Path
from typing import Final

import pytest
from msgspec import structs

from mycelium.admin.config import Settings
from mycelium.admin.private_file import create_network_key
from mycelium.daemon.node_settings import network_of, node_settings, quick_suites
from mycelium.errors import LocalError
from mycelium.limits import DESTINATIONS, ROUTES
from mycelium.node.settings import NodeSettings
from mycelium.routing.parameters import RoutingParameters, Standing
from mycelium.wire.datagram import SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305

NO_KEY: Final = Path("/nowhere")


def made_of(settings: Settings) -> NodeSettings:
    return node_settings(settings, network_of(settings))


def test_a_node_of_no_network_has_zeros_for_key_and_name() -> None:
    made = made_of(Settings(key_file=NO_KEY))
    assert (made.psk, made.network_id, made.shortcuts) == (bytes(32), bytes(8), True)


def test_the_key_is_read_and_the_name_hashed(tmp_path: Path) -> None:
    file = tmp_path / "corp.key"
    file.write_text("ab" * 32 + "\n")
    file.chmod(0o600)
    made = made_of(Settings(key_file=NO_KEY, network_key_file=file, network_name="corp", no_shortcuts=True))
    assert (made.psk, made.shortcuts) == (bytes.fromhex("ab" * 32), False)
    assert made.network_id == bytes.fromhex("964ee69acaa0852d")
    with pytest.raises(LocalError):
        made_of(Settings(key_file=NO_KEY, network_key_file=tmp_path / "missing.key"))


@pytest.mark.parametrize(
    ("whom", "tells_strangers", "tells_members"),
    [("members", False, True), ("all", True, True), ("none", False, False)],
)
def test_links_are_told_to_members_unless_the_operator_wants_otherwise(
    tmp_path: Path, whom: str, tells_strangers: bool, tells_members: bool
) -> None:
    create_network_key(tmp_path / "shared")
    settings = Settings(key_file=NO_KEY, share_links=whom)
    assert made_of(settings).tells_links is tells_strangers
    assert made_of(structs.replace(settings, network_key_file=tmp_path / "shared")).tells_links is tells_members
    assert Settings(key_file=NO_KEY).share_links == "members"


def test_routing_is_as_large_as_the_operator_wants_it() -> None:
    made = made_of(Settings(key_file=NO_KEY, routes=512, landmark=Standing.NO, no_transit=True)).routing
    assert (made.scope, made.standing, made.is_leaf) == (512, Standing.NO, True)
    assert made_of(Settings(key_file=NO_KEY)).routing == RoutingParameters(scope=ROUTES)
    assert made_of(Settings(key_file=NO_KEY, routes=DESTINATIONS)).routing.scope == DESTINATIONS - 1


@pytest.mark.parametrize(("aes_s", "is_offered"), [(5e-6, True), (10e-6, True), (100e-6, False)])
def test_aes_is_offered_only_where_it_is_no_slower(aes_s: float, is_offered: bool) -> None:
    busy = iter((1.0, 0.0, 0.0, 0.0, 0.0) * 2)  # seconds that the machine does something else meanwhile
    times_s = {SUITE_AES_256_GCM: aes_s, SUITE_CHACHA20_POLY1305: 10e-6}
    assert quick_suites(lambda suite: times_s[suite] + next(busy)) == (
        SUITE_CHACHA20_POLY1305 | SUITE_AES_256_GCM * is_offered
    )


def test_a_machine_whose_processor_has_instructions_for_aes_offers_it() -> None:
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        has_aes = any(line.startswith(("flags", "Features")) and " aes" in line for line in file)
    assert bool(made_of(Settings(key_file=NO_KEY)).suites & SUITE_AES_256_GCM) is has_aes


def test_a_name_is_announced_in_a_private_network_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    create_network_key(tmp_path / "shared")
    named = Settings(key_file=tmp_path / "key", name="berlin")
    assert made_of(structs.replace(named, network_key_file=tmp_path / "shared")).name == b"berlin"
    assert caplog.messages == []
    assert made_of(named).name == b""
    assert caplog.messages == ["the name berlin is not announced: only nodes of a private network have names"]
