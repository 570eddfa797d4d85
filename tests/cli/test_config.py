"""`mycelium config` explains, checks and shows the settings."""

import json
from pathlib import Path

import pytest

from mycelium.cli.main import main

Capture = pytest.CaptureFixture[str]


def test_the_example_sets_nothing_and_means_something_once_its_comments_are_gone(home: Path, capsys: Capture) -> None:
    assert main(["config", "example"]) == 0
    text = capsys.readouterr().out
    path = home / "example.toml"
    path.write_text(text)
    assert main(["config", "check", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: no mistakes\n"
    keys = "\n".join(line.removeprefix("# ") for line in text.splitlines() if " = " in line)
    path.write_text(keys)
    assert main(["config", "check", str(path)]) == 2
    told = capsys.readouterr().err.splitlines()
    files = ("/etc/mycelium/server.crt", "/etc/mycelium/corp.key", "/etc/mycelium/token")
    assert [file for file in files if any(file in line for line in told)] == list(files), "they are not on this host"
    named = ("tls_certificate", "network_key_file", "hosts_file", "api_token_file", "key_file")
    assert {line.removeprefix(f"mycelium: {path}: ").partition(":")[0] for line in told} <= set(named)


def test_a_mistake_is_shown_with_its_line(home: Path, capsys: Capture) -> None:
    path = home / "wrong.toml"
    path.write_text('# one\ntun_nam = "a"\n')
    assert main(["config", "check", str(path)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (f"mycelium: {path}: tun_nam: unknown setting; did you mean tun_name? (at line 2)\n")


def test_files_that_the_settings_name_are_read_too(
    home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home / "some.toml"
    path.write_text('api_token_file = "token"\npeers = ["file:/nowhere/peers"]\n')
    monkeypatch.setenv("MYCELIUM_NETWORK_KEY_FILE", str(home))
    assert main(["--key-file", f"{home}/nowhere/key", "config", "check", str(path)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        f"mycelium: {path}: peers: file:/nowhere/peers: No such file or directory",
        f"mycelium: MYCELIUM_NETWORK_KEY_FILE: {home} is not a regular file",
        f"mycelium: {path}: api_token_file: cannot read {home}/token: No such file or directory",
        f"mycelium: --key-file: there is no folder {home}/nowhere for the key file",
    ]


def test_without_a_file_the_whole_is_checked(home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["config", "check"]) == 0
    assert capsys.readouterr().out == "no mistakes; there is no configuration file\n"
    monkeypatch.setenv("MYCELIUM_NO_TUN", "perhaps")
    assert main(["config", "check"]) == 2
    assert capsys.readouterr().err == "mycelium: MYCELIUM_NO_TUN: must be true or false, not a string\n"


@pytest.mark.parametrize(
    ("name", "meant"),
    [("PEER", "PEERS"), ("API_TOKEN", "API_TOKEN_FILE"), ("NOTUN", "NO_TUN"), ("CONFIG", "CONFIG_FILE")],
)
def test_a_misspelt_variable_is_found(
    home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv("MYCELIUM_TRACEBACK", "1")
    monkeypatch.setenv("MYCELIUM_PEERS", "a:1")
    monkeypatch.setenv("PEER", "a:1")
    assert main(["config", "check"]) == 0
    monkeypatch.setenv(f"MYCELIUM_{name}", "a:1")
    assert main(["config", "check"]) == 2
    told = f"mycelium: MYCELIUM_{name}: no setting has this variable; did you mean MYCELIUM_{meant}?\n"
    assert capsys.readouterr().err == told


def test_what_is_shown_says_what_set_it(home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home / "some.toml"
    path.write_text('tun_name = "a"\nno_tun = true\nauto_peers = 2\n[policy]\npackets = ["deny udp"]\n')
    monkeypatch.setenv("MYCELIUM_CONFIG_FILE", str(path))
    monkeypatch.setenv("MYCELIUM_NO_TUN", "no")
    monkeypatch.setenv("MYCELIUM_PEERS", "a:1 tls://b:2 https://me:secret@c/")
    flags = ["--auto-peers", "3", "--proxy", "http://me:secret@proxy.example.org:3128"]
    assert main(["config", "show", *flags, "--json"]) == 0
    shown = {entry["name"]: (entry["value"], entry["source"]) for entry in json.loads(capsys.readouterr().out)}
    assert shown["tun_name"] == ('"a"', str(path))
    assert shown["no_tun"] == ("false", "MYCELIUM_NO_TUN")
    assert shown["auto_peers"] == ("3", "--auto-peers")
    assert shown["peers"] == ('["a:1", "tls://b:2", "https://***@c/"]', "MYCELIUM_PEERS")
    assert shown["proxy"] == ('"http://***@proxy.example.org:3128"', "--proxy")
    assert shown["log_format"] == ('"compact"', "default")
    assert shown["policy"] == ('{ packets = ["deny udp"] }', str(path))
    assert shown["name"] == ("", "default")

    assert main(["config", "show", *flags]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [" ".join(line.split()) for line in lines if line.startswith(("tun_name", "# name"))] == [
        f'tun_name = "a" # {path}',
        "# name is not set",
    ]
    assert not any("secret" in line for line in lines)
