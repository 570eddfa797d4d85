"""Each setting is defined once, and its definition fits the field that it fills."""

import subprocess
import sys
import tomllib
from pathlib import Path

from mycelium.admin.checks import CHECKS
from mycelium.admin.config import Settings
from mycelium.admin.setting import BY_NAME, LISTS, SETTINGS, Kind


def test_each_field_of_the_settings_has_a_definition() -> None:
    names = [setting.name for setting in SETTINGS]
    assert set(Settings.__struct_fields__) - {"given"} == set(names)
    assert len(set(names)) == len(names)


def test_what_has_no_help_is_an_alias() -> None:
    assert {setting.name for setting in BY_NAME.values() if not setting.help} == set(BY_NAME) - {
        setting.name for setting in SETTINGS
    }


def test_a_setting_has_one_name_in_three_spellings() -> None:
    assert (BY_NAME["tun_name"].flag, BY_NAME["tun_name"].variable) == ("--tun-name", "MYCELIUM_TUN_NAME")


def test_examples_are_values_of_their_kind() -> None:
    for setting in BY_NAME.values():
        value = tomllib.loads(f"value = {setting.example}")["value"]
        CHECKS[setting.kind](value, Path("/"))
        assert isinstance(value, list) == (setting.kind in LISTS), setting.name


def test_what_is_no_flag_says_what_it_takes() -> None:
    assert all(bool(setting.metavar) != (setting.kind is Kind.FLAG) for setting in BY_NAME.values())


def test_the_definitions_import_nothing_that_makes_the_help_slow() -> None:
    code = "import mycelium.admin.setting, sys; print('msgspec' in sys.modules, 'mycelium.identity' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
