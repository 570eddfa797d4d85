"""`mycelium join`: what it writes, and what it leaves alone. Who answers is replaced; tests/netns has a real member."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from mycelium.admin import config, keyfile
from mycelium.admin.join_uri import JoinUri
from mycelium.admin.keyfile import load_identity
from mycelium.admin.network_file import NetworkFile, read_network
from mycelium.admin.private_file import read_network_key
from mycelium.admin.service_unit import STATE_FOLDER
from mycelium.api.client import ApiClient
from mycelium.cli import join
from mycelium.cli.main import main
from mycelium.errors import LocalError, NoDaemon
from mycelium.identity import Identity
from mycelium.peer_url import PeerUrl
from mycelium.wire.join import JoinAnswer, JoinStatus
from mycelium.wire.membership import Chain, Credentials, encode_credentials
from tests.cli.support import on_a_terminal
from tests.support.members import OTHER_ROOT, ROOT_KEY, certificate

Capture = pytest.CaptureFixture[str]

MEMBER = PeerUrl("", "hub.example.org", 9651, bytes(range(32)))
URI = str(JoinUri((MEMBER,), "corp", bytes(16)))
NETWORK_KEY = b"k" * 32


class Answers:
    """What the member answers."""

    def __init__(self) -> None:
        self.answer = JoinAnswer(JoinStatus.GRANTED, NETWORK_KEY, "corp", "laptop")
        self.asked: list[JoinUri] = []

    async def ask(self, uri: JoinUri, identity: Identity) -> JoinAnswer:
        self.asked.append(uri)
        if self.answer.status:
            raise LocalError("the invitation is refused: it has expired")
        return self.answer


@pytest.fixture(autouse=True)
def member(monkeypatch: pytest.MonkeyPatch) -> Answers:
    answers = Answers()
    monkeypatch.setattr("mycelium.daemon.joining.ask_to_join", answers.ask)
    monkeypatch.setattr(os, "geteuid", lambda: 1_000)
    return answers


def test_a_user_gets_a_configuration_and_two_keys(home: Path, capsys: Capture) -> None:
    assert main(["join", URI]) == 0
    file, secrets = home / ".config/mycelium/mycelium.toml", home / ".local/share/mycelium"
    identity = load_identity(secrets / "priv_key.bin")
    settings = config.load({})
    assert settings.peers == (MEMBER,)
    assert (settings.name, settings.network_name) == ("laptop", "corp")
    assert settings.key_file == secrets / "priv_key.bin"
    assert settings.network_key_file == secrets / "network.key"
    assert read_network_key(secrets / "network.key") == NETWORK_KEY
    assert (secrets / "network.key").stat().st_mode & 0o777 == 0o600
    told = capsys.readouterr().out
    assert told.startswith("you are laptop.corp (")
    assert told.endswith(f"; to start the daemon: mycelium --config-file {file}\n")
    assert identity.exchange_public_key


def test_an_invitation_can_be_read_so_that_no_list_of_processes_shows_it(
    member: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{URI}\n"))
    assert main(["join", "-"]) == 0
    assert member.asked == [JoinUri.parse(URI)]


def test_a_person_types_it_in_one_line_and_is_asked_for_it(home: Path) -> None:
    shown = on_a_terminal([sys.executable, "-m", "mycelium", "join", "-"], columns=200, typed=b"mycelium:join\n")
    asked, refused = shown.splitlines()[-2:]
    assert asked == "Paste the invitation, which begins with 'mycelium:join?', and press Enter:"
    assert refused.startswith("mycelium: an invitation begins with")


def test_the_open_network_has_neither_key_nor_name(member: Answers, home: Path) -> None:
    member.answer = JoinAnswer(JoinStatus.GRANTED)
    assert main(["join", URI, "--name", "Desk"]) == 0
    settings = config.load({})
    assert (settings.name, settings.network_name, settings.network_key_file) == ("", "", None)
    assert not (home / ".local/share/mycelium/network.key").exists()


def test_a_host_without_a_fit_name_has_none(member: Answers, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    member.answer = JoinAnswer(JoinStatus.GRANTED, NETWORK_KEY, "corp")
    monkeypatch.setattr("socket.gethostname", lambda: "two words.example")
    assert main(["join", URI]) == 0
    assert config.load({}).name == ""
    assert main(["join", URI, "--name", "two words", "--config-file", "elsewhere"]) == 2
    assert "'two words' is not a valid name" in capsys.readouterr().err


def test_a_host_that_has_a_mesh_is_left_alone(member: Answers, home: Path, capsys: Capture) -> None:
    assert main(["join", URI]) == 0
    before = (home / ".config/mycelium/mycelium.toml").read_text()
    assert main(["join", URI]) == 1
    assert "this host has a mesh already" in capsys.readouterr().err
    assert (home / ".config/mycelium/mycelium.toml").read_text() == before
    assert len(member.asked) == 1


def test_a_refusal_leaves_no_configuration_and_the_next_try_keeps_the_address(
    member: Answers, home: Path, capsys: Capture
) -> None:
    granted, member.answer = member.answer, JoinAnswer(JoinStatus.EXPIRED)
    assert main(["join", URI]) == 1
    assert capsys.readouterr().err == "mycelium: the invitation is refused: it has expired\n"
    assert not (home / ".config").exists()
    key = load_identity(home / ".local/share/mycelium/priv_key.bin").exchange_public_key
    member.answer = granted
    assert main(["join", URI]) == 0
    assert load_identity(home / ".local/share/mycelium/priv_key.bin").exchange_public_key == key


def test_a_try_that_was_broken_off_is_no_obstacle_but_another_networks_key_is(home: Path, capsys: Capture) -> None:
    file = home / ".config/mycelium/mycelium.toml"
    assert main(["join", URI]) == 0
    file.unlink()
    assert main(["join", URI]) == 0
    file.unlink()
    (home / ".local/share/mycelium/network.key").write_bytes(b"o" * 32)
    assert main(["join", URI]) == 1
    assert "network.key exists already and was not changed" in capsys.readouterr().err
    assert not file.exists()


def test_a_full_disk_leaves_no_part_of_a_configuration(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    file, replace = home / ".config/mycelium/mycelium.toml", os.replace

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", fail)
    assert main(["join", URI]) == 1
    assert capsys.readouterr().err == f"mycelium: cannot write {file}: No space left on device\n"
    assert not [path for path in file.parent.iterdir() if file.name in path.name]
    monkeypatch.setattr(os, "replace", replace)
    assert main(["join", URI]) == 0
    assert config.load({}).name == "laptop"


def test_files_may_be_named(tmp_path: Path, capsys: Capture) -> None:
    words = ["--config-file", str(tmp_path / "new" / "a.toml"), "--key-file", str(tmp_path / "keys" / "a")]
    assert main(["join", URI, *words]) == 0
    settings = config.load({"config_file": str(tmp_path / "new" / "a.toml")})
    assert settings.key_file == tmp_path / "keys" / "a"
    assert settings.network_key_file == tmp_path / "keys" / "network.key"


@pytest.mark.parametrize(("resolved", "kept"), [(False, Path("/etc/hosts")), (True, None)])
def test_root_without_systemd_resolved_has_names_kept_in_the_hosts_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, resolved: bool, kept: Path | None
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(join, "runs_systemd", lambda: False)
    monkeypatch.setattr(join, "runs_resolved", lambda: resolved)
    words = ["--config-file", str(tmp_path / "a.toml"), "--key-file", str(tmp_path / "a")]
    assert main(["join", *words, URI]) == 0
    assert config.load({"config_file": str(tmp_path / "a.toml")}).hosts_file == kept


def test_root_sets_up_the_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture) -> None:
    done: list[str] = []
    places = join._Places(tmp_path / "etc" / "mycelium.toml", tmp_path / "lib" / "key", is_service=True)
    monkeypatch.setattr(join, "_places", lambda context: places)
    monkeypatch.setattr(join, "runs_systemd", lambda: True)
    monkeypatch.setattr(join, "make_user", lambda: done.append("user"))
    monkeypatch.setattr(join, "install_service", lambda: done.append("service"))
    monkeypatch.setattr(join, "_reachable", lambda context, places: 3)
    monkeypatch.setattr("pwd.getpwnam", lambda name: SimpleNamespace(pw_uid=7, pw_gid=8))

    def give(path: Path, user: int, group: int, *, follow_symlinks: bool) -> None:
        done.append(f"{path.name} to {user}:{group}{' and where it leads' if follow_symlinks else ''}")

    monkeypatch.setattr("os.chown", give)
    monkeypatch.setattr(join, "runs_resolved", lambda: True)
    assert main(["join", URI]) == 0
    assert done == ["user", "lib to 7:8", "key to 7:8", "network.key to 7:8", "service"]
    assert capsys.readouterr().out.endswith("), 3 nodes reachable\n")
    places.config_file.unlink()
    monkeypatch.setattr(join, "runs_resolved", lambda: False)
    assert main(["join", URI]) == 0
    assert "by name once systemd-resolved runs" in capsys.readouterr().out
    assert config.load({"config_file": str(places.config_file)}).hosts_file is None  # which the service could not write


def test_the_count_of_nodes_is_taken_once_it_grows_no_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import click

    places = join._Places(tmp_path / "a.toml", tmp_path / "key", is_service=True)
    places.config_file.write_text("")
    monkeypatch.setattr(join, "_LOOK_AGAIN_S", 0.0)
    counts: Iterator[int | NoDaemon] = iter([NoDaemon("it starts"), 0, 0, 1, 3, 3])

    def routes(daemon: ApiClient) -> list[None]:
        found = next(counts)
        if isinstance(found, NoDaemon):
            raise found
        return [None] * found

    monkeypatch.setattr(ApiClient, "routes_selected", routes)
    assert join._reachable(click.Context(click.Command("join")), places) == 3
    monkeypatch.setattr(join, "_LINKED_S", 0.0)
    with pytest.raises(LocalError, match="this host has joined, but has no link yet"):
        join._reachable(click.Context(click.Command("join")), places)


def test_roots_files_are_those_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    import click

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    places = join._places(click.Context(click.Command("join")))
    assert places.config_file == Path("/etc/mycelium/mycelium.toml")
    assert places.key_file == STATE_FOLDER / "priv_key.bin"
    assert places.network_key_file == STATE_FOLDER / "network.key"
    assert places.is_service


def test_another_mesh_beside_the_service_has_a_key_of_its_own(
    home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it keeps beside the key, as that of its network, would take the place of the service's."""
    import click

    of_service = tmp_path_factory.mktemp("state")
    monkeypatch.setattr(keyfile, "STATE_FOLDER", of_service)
    keyfile.create_identity(of_service / "priv_key.bin", bytes(32))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    places = join._places(click.Context(click.Command("join"), obj={"config_file": "other.toml"}))
    assert places.key_file == home / ".local/share/mycelium/priv_key.bin"
    assert keyfile.default_key_path() == of_service / "priv_key.bin"


def test_in_a_network_of_members_this_host_is_made_one(member: Answers, home: Path) -> None:
    credentials = Credentials(ROOT_KEY, Chain(certificate(Identity(b"b" * 32))))
    made = encode_credentials(credentials)
    member.answer = JoinAnswer(JoinStatus.GRANTED, NETWORK_KEY, "corp", "laptop", made)
    assert main(["join", URI]) == 0
    file = config.load({}).network_key_file
    assert file is not None
    assert read_network(file) == NetworkFile(NETWORK_KEY, credentials)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (b"?" * 137, "certificates of a wrong length"),  # what a member of an earlier version answers
        (encode_credentials(Credentials(ROOT_KEY, Chain(certificate(Identity(b"b" * 32), OTHER_ROOT)))), "forged"),
    ],
)
def test_an_answer_that_makes_no_member_is_refused(
    member: Answers, home: Path, capsys: Capture, made: bytes, reason: str
) -> None:
    member.answer = JoinAnswer(JoinStatus.GRANTED, NETWORK_KEY, "corp", "laptop", made)
    assert main(["join", URI]) == 1
    told = capsys.readouterr().err
    assert "the member's answer makes no sense" in told
    assert reason in told
    assert not (home / ".config/mycelium/mycelium.toml").exists()
