import re
from pathlib import Path

import pytest

from mycelium.admin import service_unit
from mycelium.admin.service_unit import CONFIG_FILE, NAME, POLKIT_RULE, STATE_FOLDER, runs_resolved, unit_text
from mycelium.daemon.open_files import WANTED
from mycelium.errors import LocalError

PROGRAM = Path("/usr/bin/mycelium")


def settings(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "["))]
    return [(key, value) for key, _, value in (line.partition("=") for line in lines)]


def test_the_daemon_tells_systemd_of_itself_and_is_watched() -> None:
    unit = dict(settings(unit_text(PROGRAM)))
    assert unit["Type"] == "notify"
    assert int(unit["WatchdogSec"]) > 0
    assert unit["ExecReload"].endswith("kill -HUP $MAINPID")
    assert unit["ExecStart"] == str(PROGRAM)
    assert int(unit["LimitNOFILE"]) >= WANTED  # else it would set its own limit, which its sandbox forbids


def test_it_runs_as_its_own_user_with_two_capabilities() -> None:
    unit = dict(settings(unit_text(PROGRAM)))
    assert unit["User"] == NAME
    assert unit["AmbientCapabilities"] == unit["CapabilityBoundingSet"] == "CAP_NET_ADMIN CAP_NET_BIND_SERVICE"
    assert unit["DeviceAllow"] == "/dev/net/tun rw"
    assert unit["ProtectSystem"] == "strict"
    assert unit["NoNewPrivileges"] == "yes"


def test_the_places_in_the_unit_are_those_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    from mycelium.admin.config import default_config_file
    from mycelium.admin.keyfile import default_key_path

    unit = dict(settings(unit_text(PROGRAM)))
    for name, value in (word.split("=") for word in unit["Environment"].split()):
        monkeypatch.setenv(name, value)
    assert default_config_file() == CONFIG_FILE
    assert default_key_path().parent == STATE_FOLDER
    assert STATE_FOLDER.name == unit["StateDirectory"]


def test_nothing_is_set_twice_but_what_adds_up() -> None:
    keys = [key for key, _ in settings(unit_text(PROGRAM)) if key != "SystemCallFilter"]
    assert sorted(keys) == sorted(set(keys))
    assert [key for key in keys if not re.fullmatch("[A-Z][A-Za-z]+", key)] == []


def test_a_path_is_written_as_systemd_reads_it() -> None:
    assert 'ExecStart="/opt/my 100%% $$mesh/mycelium"\n' in unit_text(Path("/opt/my 100% $mesh/mycelium"))


@pytest.mark.parametrize("program", ["/home/me/.local/bin/mycelium", "/root/.venv/bin/mycelium", "/tmp/mycelium"])
def test_a_program_that_the_sandbox_hides_is_refused(program: str) -> None:
    with pytest.raises(LocalError, match="is hidden from it; install mycelium for all users"):
        unit_text(Path(program))


def test_its_sandbox_lets_it_fence_in_its_own_files() -> None:
    first, _ = (value for key, value in settings(unit_text(PROGRAM)) if key == "SystemCallFilter")
    assert {word for word in first.split() if "landlock" in word} == {
        "landlock_create_ruleset",
        "landlock_add_rule",
        "landlock_restrict_self",
    }


def test_polkit_lets_the_service_s_user_do_two_things_and_nobody_else() -> None:
    assert f'subject.user == "{NAME}"' in POLKIT_RULE
    assert re.findall(r"org\.freedesktop\.\S+?(?=\")", POLKIT_RULE) == [
        "org.freedesktop.resolve1.set-dns-servers",
        "org.freedesktop.resolve1.set-domains",
    ]


@pytest.mark.parametrize(("own", "is_known"), [("own", False), ("inits", True), ("absent", True)])
def test_systemd_resolved_is_told_of_interfaces_of_inits_network_namespace_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, is_known: bool
) -> None:
    """Elsewhere the number of an interface is that of a different one."""
    for name in ("own", "1"):
        (tmp_path / name).write_text("")
    (tmp_path / "thread-self").symlink_to({"inits": "1"}.get(own, own))
    monkeypatch.setattr(service_unit, "_DEVICES", f"{tmp_path}/{{}}")
    monkeypatch.setattr(service_unit, "RESOLVED", tmp_path)
    assert runs_resolved() is is_known
    monkeypatch.setattr(service_unit, "RESOLVED", tmp_path / "none")
    assert not runs_resolved()


def test_what_a_program_leads_to_or_needs_must_not_be_hidden_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_unit, "_HIDDEN", (Path("/root"),))  # not /tmp, in which tests may run
    hidden = Path("/root/venv/bin/mycelium")
    link = tmp_path / "mycelium"
    link.symlink_to(hidden)
    with pytest.raises(LocalError, match=f"a service can't run {link}: it needs {hidden}, and what is below /root is"):
        unit_text(link)
    with pytest.raises(
        LocalError, match=f"a service can't run {PROGRAM}: it needs {hidden}, and what is below /root is"
    ):
        unit_text(PROGRAM, hidden)
    assert unit_text(PROGRAM, Path("/usr")) == unit_text(PROGRAM)
