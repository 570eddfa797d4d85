import ipaddress
import json
import os
import re
import stat
from pathlib import Path

import pytest

from mycelium.admin import service_unit
from mycelium.admin.keyfile import load_identity
from mycelium.admin.private_file import read_network_key
from mycelium.cli.main import main
from mycelium.daemon.claim import claimed_identity
from mycelium.identity import Identity

Capture = pytest.CaptureFixture[str]

KEY = "a6a79db1591f6ec5ecc46f85ca83fd95f681d0131ae4f6d8f20d88bbd912bf38"
RUST_SECRET = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")  # RFC 7748 section 6.1
RUST_ADDRESS = "520:c662:fd00:9e92:5d99:34ed:ab8:82ab"
ADDRESS = "5c3:943d:3d21:1d4b:9fa8:5e65:db0e:113"


def test_inspect_shows_the_address_of_a_key(capsys: Capture) -> None:
    assert main(["inspect", KEY]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"Public key:  {KEY}",
        f"Address:     {ADDRESS}",
        "Subnet:      5c3:943d:3d21:1d4b::/64",
    ]


def test_inspect_prints_json(capsys: Capture) -> None:
    assert main(["inspect", "--json", KEY.upper()]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == {"publicKey": KEY, "address": ADDRESS, "subnet": "5c3:943d:3d21:1d4b::/64"}


@pytest.mark.parametrize("key", ["", "12", KEY[:-1], KEY + "0", KEY[:-1] + "g", KEY[:-1] + "\n", "\u0663" * 64])
def test_inspect_refuses_what_is_no_key(capsys: Capture, key: str) -> None:
    assert main(["inspect", key]) == 2
    assert "is not a public key, which has 64 hex digits" in capsys.readouterr().err


def test_inspect_without_key_shows_the_nodes_own(capsys: Capture, home: Path) -> None:
    assert main(["generate-keys"]) == 0
    generated = capsys.readouterr().out
    assert main(["inspect"]) == 0
    assert re.search(r"^Fingerprint: [0-9a-f]{32}$", generated, re.MULTILINE)
    assert generated == capsys.readouterr().out + f"Key file:    {home}/.local/share/mycelium/priv_key.bin\n"


def test_who_replaces_the_key_of_a_running_daemon_is_told_until_when_it_has_the_old_one(
    capsys: Capture, tmp_path: Path
) -> None:
    words = ["generate-keys", "--force", "-k", str(tmp_path / "key")]
    assert main(words) == 0
    assert capsys.readouterr().err == ""
    with claimed_identity(tmp_path / "key"):
        assert main(words) == 0
    assert capsys.readouterr().err == "mycelium: a daemon runs with the old key, and keeps it until it is restarted\n"


def test_inspect_without_key_file_says_so(capsys: Capture) -> None:
    assert main(["inspect"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("mycelium: no key yet: mycelium generate-keys makes one (/")
    assert "priv_key.bin" in told


@pytest.mark.parametrize("before", [True, False])
def test_the_key_file_may_be_named_before_or_behind_the_command(capsys: Capture, home: Path, before: bool) -> None:
    flag = ["--key-file", str(home / "mine")]
    assert main([*flag, "generate-keys", "--json"] if before else ["generate-keys", "--json", *flag]) == 0
    identity = load_identity(home / "mine")
    assert json.loads(capsys.readouterr().out)["publicKey"] == identity.exchange_public_key.hex()


def test_the_key_file_of_the_settings_counts(home: Path) -> None:
    (home / "some.toml").write_text('key_file = "from-settings"')
    assert main(["generate-keys", "-c", str(home / "some.toml")]) == 0
    assert (home / "from-settings").exists()


def test_a_key_is_replaced_only_by_force(capsys: Capture, home: Path) -> None:
    path = home / "key"
    assert main(["generate-keys", "-k", str(path)]) == 0
    seed = path.read_bytes()
    assert main(["generate-keys", "-k", str(path)]) == 1
    assert path.read_bytes() == seed
    assert "exists already" in capsys.readouterr().err
    assert main(["generate-keys", "--force", "-k", str(path)]) == 0
    assert path.read_bytes() != seed
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(home.iterdir()) == [path]


def test_force_leaves_no_secret_behind_where_it_fails(capsys: Capture, home: Path) -> None:
    (home / "folder").mkdir()
    assert main(["generate-keys", "--force", "-k", str(home / "folder")]) == 1
    assert [path.name for path in home.iterdir()] == ["folder"]
    assert capsys.readouterr().err.startswith("mycelium: ")


def test_a_key_of_the_rust_mycelium_keeps_its_address(
    capsys: Capture, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mycelium.daemon.daemon.confine", lambda settings: None)  # this process has more tests to run
    path = home / ".local" / "share" / "mycelium" / "priv_key.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(RUST_SECRET)
    path.chmod(0o640)  # as it writes it

    assert main(["run", "--no-tun"]) == 1
    refused = capsys.readouterr().err
    assert len(refused.splitlines()) == 1
    assert f"'mycelium import-key {path}' keeps its address {RUST_ADDRESS};" in refused
    assert main(["import-key", str(path)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert f"Address:     {RUST_ADDRESS}" in printed
    assert "Fingerprint: none: the key was imported from another program" in printed
    assert main(["inspect", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["address"] == RUST_ADDRESS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_old_key_of_ours_keeps_its_address_too(capsys: Capture, home: Path) -> None:
    (home / "old").write_bytes(RUST_SECRET)
    assert main(["import-key", "--as-seed", "--json", str(home / "old"), "-k", str(home / "new")]) == 0
    expected = str(ipaddress.IPv6Address(Identity(RUST_SECRET).address))
    assert json.loads(capsys.readouterr().out)["address"] == expected
    assert main(["inspect", "-k", str(home / "new"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["address"] == expected


def test_a_network_key_is_made_once(capsys: Capture, home: Path) -> None:
    path = home / "corp.key"
    assert main(["generate-network-key", str(path)]) == 0
    assert capsys.readouterr().out == f"Network key: {path}\n"
    key = read_network_key(path)
    assert main(["generate-network-key", "--json", str(path)]) == 1
    assert "exists already and was not changed" in capsys.readouterr().err
    assert read_network_key(path) == key
    assert main(["generate-network-key", "--json", str(home / "other")]) == 0
    assert json.loads(capsys.readouterr().out) == {"networkKeyFile": str(home / "other")}


def test_a_user_without_a_key_hears_who_sees_that_of_the_service(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(service_unit, "STATE_FOLDER", home)
    monkeypatch.setattr(os, "geteuid", lambda: 1_000)
    assert main(["inspect"]) == 1
    assert capsys.readouterr().err.endswith(" does not exist); that of the service is shown to root\n")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert main(["inspect"]) == 1
    assert capsys.readouterr().err.endswith(" does not exist)\n")
