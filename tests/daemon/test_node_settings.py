"""The node's settings, as the operator's say."""

from pathlib import Path
from typing import Final

import pytest

from mycelium.admin.config import Settings
from mycelium.daemon import node_settings as module
from mycelium.daemon.node_settings import node_settings
from mycelium.errors import LocalError
from mycelium.wire.datagram import SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305

NO_KEY: Final = Path("/nowhere")


def test_a_node_of_no_network_has_zeros_for_key_and_name() -> None:
    made = node_settings(Settings(key_file=NO_KEY))
    assert (made.psk, made.network_id, made.shortcuts) == (bytes(32), bytes(8), True)


def test_the_key_is_read_and_the_name_hashed(tmp_path: Path) -> None:
    file = tmp_path / "corp.key"
    file.write_text("ab" * 32 + "\n")
    file.chmod(0o600)
    made = node_settings(Settings(key_file=NO_KEY, network_key_file=file, network_name="corp", no_shortcuts=True))
    assert (made.psk, made.shortcuts) == (bytes.fromhex("ab" * 32), False)
    assert made.network_id == bytes.fromhex("964ee69acaa0852d")
    with pytest.raises(LocalError):
        node_settings(Settings(key_file=NO_KEY, network_key_file=tmp_path / "missing.key"))


@pytest.mark.parametrize(
    ("cpu", "has_aes"),
    [
        ("flags\t\t: fpu aes avx\n", True),
        ("Features\t: fp asimd aes pmull\n", True),
        ("flags\t\t: fpu avx\n", False),
        ("model name\t: an aes machine\n", False),
        (None, False),
    ],
)
def test_aes_is_offered_only_where_the_processor_has_it(
    cpu: str | None, has_aes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cpuinfo"
    if cpu is not None:
        file.write_text(cpu)
    monkeypatch.setattr(module, "CPU_FEATURES", str(file))
    assert node_settings(Settings(key_file=NO_KEY)).suites == SUITE_CHACHA20_POLY1305 | SUITE_AES_256_GCM * has_aes
