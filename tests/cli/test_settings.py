"""Settings: which source wins, and what a wrong value is told. Pure, no file and no environment is read."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from meshq.cli import run
from meshq.cli.exits import WRONG_USE
from meshq.cli.settings import Value, defaults, resolve
from meshq.config import membership_profile
from meshq.errors import ConfigError


def test_flags_win_over_environment_over_file_over_default() -> None:
    found = resolve(
        {"port": 1},
        {"MESHQ_PORT": "2", "MESHQ_ZONE": "east"},
        {"port": 3, "zone": "west", "label": "blue"},
        "mesh.toml",
    )
    values = dict(found.items())
    assert values["port"] == Value(1, "flag")
    assert values["zone"] == Value("east", "MESHQ_ZONE")
    assert values["label"] == Value("blue", "mesh.toml")
    assert values["http_port"] == Value(4151, "default")


def test_a_flag_that_was_not_given_leaves_the_rest_alone() -> None:
    found = resolve({"port": None, "seeds": None, "name": ""}, {"MESHQ_SEEDS": "a, b:1"}, {})
    assert not found.given("port")
    assert found["seeds"] == ("a", "b:1")


def test_port_zero_as_a_flag_counts_as_given() -> None:
    found = resolve({"port": 0}, {}, {})
    assert found.given("port")
    assert found["port"] == 0


def test_settings_of_the_machines_come_from_tables_and_from_the_environment() -> None:
    found = resolve({}, {"MESHQ_LINK_SILENT_S": "7"}, {"broker": {"memory_bytes_max": 1024}}, "mesh.toml")
    config = found.config()
    assert config.broker.memory_bytes_max == 1024
    assert config.link.silent_s == 7.0


def test_the_defaults_are_those_of_the_config() -> None:
    assert resolve({"name": "a"}, {}, {}).config().broker.message_bytes_max == defaults()["broker.message_bytes_max"]


def test_an_unknown_name_in_the_file_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match=r"mesh\.toml: no setting is called 'htp_port'; is it 'http_port'\?"):
        resolve({}, {}, {"htp_port": 1}, "mesh.toml")


def test_an_unknown_variable_is_somebody_elses() -> None:
    resolve({}, {"MESHQ_SERVICE_HOST": "10.0.0.1"}, {})


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"MESHQ_PORT": "many"}, "MESHQ_PORT='many': a whole number is wanted"),
        ({"MESHQ_PORT": "tcp://10.0.0.1:4155"}, "enableServiceLinks"),
        ({"MESHQ_OPEN": "perhaps"}, "MESHQ_OPEN='perhaps': true or false is wanted"),
        ({"MESHQ_DRAIN_TIMEOUT_S": "soon"}, "a number is wanted"),
    ],
)
def test_a_variable_of_the_wrong_form_is_named(environment: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        resolve({}, environment, {})


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ({"port": "4155"}, "port in mesh.toml: '4155' found where a whole number is wanted"),
        ({"port": True}, "a whole number"),
        ({"seeds": "a"}, "a list of texts"),
        ({"broker": {"memory_bytes_max": 1.5}}, "broker.memory_bytes_max in mesh.toml"),
    ],
)
def test_a_value_of_the_wrong_form_in_the_file_is_named(file: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        resolve({}, {}, file, "mesh.toml")


def test_a_whole_number_in_the_file_may_stand_for_a_number() -> None:
    assert resolve({}, {}, {"drain_timeout_s": 3}, "f")["drain_timeout_s"] == 3.0


def test_ctrl_c_within_the_imports_is_no_traceback() -> None:
    program = """if True:
        import sys, meshq.cli
        class Interrupting:
            def find_spec(self, name, *rest):
                if name == "meshq.cli.app":
                    raise KeyboardInterrupt
        sys.meta_path.insert(0, Interrupting())
        sys.exit(meshq.cli.run(["version"]))"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (130, b"")


@pytest.mark.parametrize("text", ["127.0.0.1:99999", ":1", "[::1]:x"])
def test_an_address_of_a_node_that_is_none_is_wrong_use(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["members", "--node", text]) == WRONG_USE
    assert "is no address" in capsys.readouterr().err


def test_a_profile_of_membership_gives_the_defaults_and_whatever_is_set_beside_it_holds() -> None:
    settings = resolve({"profile": "wan"}, {"MESHQ_MEMBERSHIP_RELAYS": "5"}, {})
    wan = membership_profile("wan")
    assert settings["membership.probe_interval_s"] == wan.probe_interval_s
    assert not settings.given("membership.probe_interval_s")
    assert settings.config().membership == replace(wan, relays=5)
    with pytest.raises(ConfigError, match="lan, wan, local"):
        resolve({}, {"MESHQ_PROFILE": "moon"}, {})
