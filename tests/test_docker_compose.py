# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What can be known of the Docker set-up without Docker: by reading it."""

import configparser
import re

import pytest
import yaml

SECRET = re.compile(r"(password|secret|token|passwd)", re.IGNORECASE)
VARIABLE = re.compile(r"\$\{(\w+)")


@pytest.fixture(scope="module")
def text(root):
    return (root / "docker-compose.yml").read_text()


@pytest.fixture(scope="module")
def compose(text):
    return yaml.safe_load(text)


@pytest.fixture(scope="module")
def conf(root):
    parser = configparser.RawConfigParser()
    parser.read(root / "docker" / "odoo.conf")
    return parser


def test_has_a_database_and_a_server(compose):
    assert set(compose["services"]) == {"db", "odoo"}
    assert compose["services"]["db"]["image"].startswith("postgres:")


def test_postgres_version_is_new_enough(compose):
    assert int(compose["services"]["db"]["image"].split(":")[1]) >= 13


def test_image_is_the_official_one_with_our_requirements(compose, root):
    build = compose["services"]["odoo"]["build"]
    lines = (root / build["context"] / build["dockerfile"]).read_text().splitlines()
    assert "FROM odoo:19.0" in lines
    assert lines[-1] == "USER odoo", "the server must not run as root"
    copied = [line.split()[1] for line in lines if line.startswith("COPY ")]
    for name in copied:
        assert (root / name).exists(), name
    assert {"requirements-oca.txt", "docker/odoo.conf", "addons"} == set(copied)


def test_build_context_lets_in_what_is_copied(root):
    lines = (root / ".dockerignore").read_text().split()
    assert lines[0] == "*"
    assert {"!addons", "!docker/odoo.conf", "!requirements-oca.txt"} <= set(lines)


def test_every_service_is_checked_and_restarted(compose):
    for name, service in compose["services"].items():
        assert service["healthcheck"]["test"], name
        assert service["restart"] == "unless-stopped", name


def test_server_waits_for_the_database(compose):
    waits = compose["services"]["odoo"]["depends_on"]
    assert waits == {"db": {"condition": "service_healthy"}}


def test_data_lives_in_named_volumes(compose):
    used = {
        volume.split(":")[0]
        for service in compose["services"].values()
        for volume in service["volumes"]
    }
    assert used == set(compose["volumes"])


def test_no_secret_is_written_down(compose):
    for service in compose["services"].values():
        for name, value in service["environment"].items():
            if SECRET.search(name):
                assert value.startswith("${POSTGRES_PASSWORD:?"), name


def test_both_services_agree_on_the_connection(compose):
    db = compose["services"]["db"]["environment"]
    odoo = compose["services"]["odoo"]["environment"]
    assert odoo["HOST"] == "db"
    assert odoo["USER"] == db["POSTGRES_USER"]
    assert odoo["PASSWORD"] == db["POSTGRES_PASSWORD"]


def test_example_names_every_variable_without_a_secret(text, root):
    example = {}
    for line in (root / "docker" / ".env.example").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _equals, value = line.partition("=")
            example[name] = value
    assert set(VARIABLE.findall(text)) == set(example)
    assert not any(value for name, value in example.items() if SECRET.search(name))


def test_real_env_file_is_ignored_by_git(root):
    ignored = (root / ".gitignore").read_text().split()
    assert "/.env" in ignored


def test_ports_are_open_to_this_machine_only(compose):
    for service in compose["services"].values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), port


def test_jobs_run(conf):
    modules = conf["options"]["server_wide_modules"].split(",")
    assert "queue_job" in modules
    assert conf["queue_job"]["channels"] == "root:2"


def test_databases_are_not_listed_and_interface_is_set(conf):
    assert conf["options"]["list_db"] == "False"
    assert conf["options"]["http_interface"] == "0.0.0.0"


def test_installed_modules_are_ours(compose, root):
    option = next(
        part
        for part in compose["services"]["odoo"]["command"]
        if part.startswith("--init=")
    )
    default = option.partition(":-")[2].rstrip("}")
    for name in default.split(","):
        assert (root / "addons" / name / "__manifest__.py").exists(), name
