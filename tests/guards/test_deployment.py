"""The container files, held by schema and rules: no container engine is needed to check them."""

import re

import pytest
import yaml

TOP_LEVEL = {"services", "volumes"}


@pytest.fixture(scope="module")
def compose(repository):
    return yaml.safe_load((repository / "docker-compose.yml").read_text("utf-8"))


def test_only_services_that_exist_are_composed(compose):
    assert set(compose) == TOP_LEVEL
    assert set(compose["services"]) == {"store", "node"}


@pytest.mark.parametrize("name", ["store", "node"])
def test_every_service_runs_unprivileged_is_watched_and_keeps_its_data(compose, name):
    service = compose["services"][name]

    assert int(service["user"].split(":")[0]) > 0
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["healthcheck"]["test"][0] == "CMD"
    volumes = {volume.split(":")[0] for volume in service["volumes"]}
    assert volumes <= set(compose["volumes"])


def test_the_store_never_evicts_and_writes_its_log(compose):
    command = compose["services"]["store"]["command"]

    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    assert command[command.index("--appendonly") + 1] == "yes"


def test_the_node_waits_for_a_healthy_store_and_listens_on_this_machine_alone(compose):
    node = compose["services"]["node"]

    assert node["depends_on"] == {"store": {"condition": "service_healthy"}}
    assert all(port.startswith("127.0.0.1:") for port in node["ports"])


def test_the_nodes_variables_are_settings(compose, repository):
    from mamori.config.settings import load_settings

    environ = dict(compose["services"]["node"]["environment"])
    dockerfile = (repository / "Dockerfile").read_text("utf-8")
    environ |= dict(re.findall(r"(MAMORI_[A-Z_]+)=(\S+)", dockerfile))

    settings = load_settings(None, environ)

    assert settings.store.redis_url is not None
    assert settings.telephony.listen_host == "0.0.0.0"


def test_the_image_runs_unprivileged_with_a_health_check(repository):
    lines = (repository / "Dockerfile").read_text("utf-8").splitlines()
    instructions = [line.split()[0] for line in lines if re.match(r"[A-Z]+ ", line)]

    assert instructions.index("USER") < instructions.index("ENTRYPOINT")
    assert "HEALTHCHECK" in instructions
    assert all("latest" not in line for line in lines if line.startswith("FROM"))


def test_the_stop_grace_covers_draining_and_writing(compose):
    from mamori.monitor.app.node import DRAIN_S, STOP_S

    grace_s = int(compose["services"]["node"]["stop_grace_period"].removesuffix("s"))

    assert grace_s >= DRAIN_S + STOP_S
