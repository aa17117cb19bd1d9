# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The commands: what they say when something is missing, and what they build."""

import importlib.util
import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tools import (
    addons,
    demo,
    odoo_source,
    paths,
    postgres,
    process,
    python_env,
    server,
    stamps,
    system,
)
from tools.errors import (
    CommandError,
    DiskFullError,
    MissingProgramError,
    NetworkError,
    OdooSourceError,
    PortTakenError,
    PostgresError,
    ToolError,
    UnsafeDirectoryError,
)
from tools.postgres import Binaries


def make_odoo(folder, series="19, 0", with_addons=True):
    """Write just enough of an Odoo to be recognised."""
    (folder / "odoo").mkdir(parents=True)
    (folder / "odoo" / "release.py").write_text(
        f"version_info = ({series}, 0, 'final', 0, '')\n"
    )
    if with_addons:
        (folder / "addons" / "web").mkdir(parents=True)
        (folder / "addons" / "web" / "__manifest__.py").write_text("{}")
    return folder


@pytest.fixture
def entry(root):
    """The entry point as a module, without running a command."""
    spec = importlib.util.spec_from_file_location("entry", root / "tools/__main__.py")
    source = spec.loader.get_source("entry").partition("\nif not supported")[0]
    names = {}
    exec(compile(source, "entry", "exec"), names)
    return names


class TestPython:
    @pytest.mark.parametrize("version", [(3, 10), (3, 11), (3, 13, 2)])
    def test_takes_supported_versions(self, entry, version):
        assert entry["supported"](version)

    @pytest.mark.parametrize("version", [(2, 7), (3, 9), (3, 14)])
    def test_refuses_others_with_a_cure(self, entry, version):
        assert not entry["supported"](version)
        message = entry["version_message"](version)
        assert "cure:" in message and "PYTHON=" in message
        assert f"{version[0]}.{version[1]}" in message

    def test_entry_point_parses_on_old_versions(self, root):
        import ast

        text = (root / "tools" / "__main__.py").read_text()
        ast.parse(text, feature_version=(3, 4))

    def test_uses_the_standard_library_only(self, root):
        code = "import sys; sys.path.insert(0, sys.argv[1]); import tools.cli\n"
        code += "from tools import demo, testing, lint, bench, translations\n"
        code += "from tools import screenshots\n"
        command = [sys.executable, "-I", "-S", "-c", code, str(root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


class TestErrors:
    def test_says_what_is_wrong_and_the_cure(self):
        text = str(ToolError("it is broken", "mend it"))
        assert text.splitlines() == ["error: it is broken", "  cure: mend it"]

    def test_failed_program_shows_its_last_words_and_log(self, tmp_path):
        log = tmp_path / "out.log"
        code = "print('first'); print('last'); raise SystemExit(3)"
        with pytest.raises(CommandError) as caught:
            process.run([sys.executable, "-c", code], what="the step", log=log)
        text = str(caught.value)
        assert "last" in text and str(log) in text and "status 3" in text

    def test_full_disk_is_recognised(self, tmp_path):
        code = "print('OSError: No space left on device'); raise SystemExit(1)"
        with pytest.raises(DiskFullError) as caught:
            process.run([sys.executable, "-c", code], what="it", log=tmp_path / "l")
        assert "free some space" in str(caught.value)

    def test_full_disk_is_told_before_a_big_step(self, tmp_path):
        with pytest.raises(DiskFullError) as caught:
            system.check_room(tmp_path / "not" / "there", needed=1 << 60)
        assert "cure:" in str(caught.value)

    def test_missing_network_is_recognised(self):
        said = "Temporary failure resolving 'mirror'"
        assert isinstance(system.network_error("it", said), NetworkError)
        assert system.network_error("it", "no such option") is None

    def test_unknown_command_names_help(self, root):
        command = [sys.executable, "-m", "tools", "fly"]
        done = subprocess.run(
            command, cwd=root, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert "make help" in done.stderr

    def test_unknown_tier_names_the_others(self):
        from tools.testing import check_tiers

        with pytest.raises(ToolError, match="engines, conformance"):
            check_tiers(["all"])


class TestPackages:
    def test_without_package_manager(self, monkeypatch):
        monkeypatch.setattr(shutil, "which", lambda _name: None)
        with pytest.raises(MissingProgramError, match="no apt-get") as caught:
            system.apt_install("postgresql")
        assert "install postgresql" in caught.value.cure

    def test_plain_user_is_told_what_to_ask_for(self, monkeypatch):
        monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
        monkeypatch.setattr(system, "is_root", lambda: False)
        with pytest.raises(MissingProgramError, match="only root") as caught:
            system.apt_install("chromium")
        assert "apt-get install chromium" in caught.value.cure

    def test_missing_browser_is_an_error(self, monkeypatch):
        monkeypatch.setattr(shutil, "which", lambda _name: None)
        with pytest.raises(MissingProgramError):
            system.ensure_browser()

    def test_missing_pdf_program_is_none(self, monkeypatch):
        monkeypatch.setattr(shutil, "which", lambda _name: None)
        assert system.ensure_pdf_program() is None


class TestOdooSource:
    def test_takes_a_checkout(self, tmp_path):
        found = odoo_source.from_variable(str(make_odoo(tmp_path / "my odoo")))
        assert found.parent == tmp_path / "my odoo"
        assert found.addons_paths == [tmp_path / "my odoo" / "addons"]

    def test_takes_the_package_itself(self, tmp_path):
        make_odoo(tmp_path)
        assert odoo_source.from_variable(str(tmp_path / "odoo")).parent == tmp_path

    def test_refuses_nothing(self, tmp_path):
        with pytest.raises(OdooSourceError, match="holds no Odoo") as caught:
            odoo_source.from_variable(str(tmp_path))
        assert "odoo-bin" in caught.value.cure

    def test_refuses_another_version(self, tmp_path):
        make_odoo(tmp_path, "18, 0")
        with pytest.raises(OdooSourceError, match=r"18\.0, not 19\.0"):
            odoo_source.from_variable(str(tmp_path))

    def test_refuses_an_incomplete_one(self, tmp_path):
        make_odoo(tmp_path, with_addons=False)
        with pytest.raises(OdooSourceError, match="without its addons"):
            odoo_source.from_variable(str(tmp_path))

    def test_variable_comes_first(self, tmp_path, monkeypatch):
        make_odoo(tmp_path)
        monkeypatch.setenv("ODOO_SRC", str(tmp_path))
        assert odoo_source.find().origin.startswith("ODOO_SRC")

    def test_other_distributions_are_told_about_it(self, tmp_path, monkeypatch):
        monkeypatch.setattr(shutil, "which", lambda _name: None)
        with pytest.raises(OdooSourceError, match="apt-get") as caught:
            odoo_source._fetch_package(tmp_path)
        assert "ODOO_SRC" in caught.value.cure


class TestPostgres:
    def test_reads_versions(self):
        assert postgres.parse_major("postgres (PostgreSQL) 15.18 (Debian)") == 15
        assert postgres.parse_major("postgres (PostgreSQL) 18beta1") == 18
        assert postgres.parse_major("something else") is None

    def test_prefers_the_newest(self):
        found = [Binaries(17, Path("/a")), Binaries(15, Path("/b"))]
        assert postgres.choose_binaries(found).major == 17

    def test_stays_with_the_version_of_the_data(self):
        found = [Binaries(17, Path("/a")), Binaries(15, Path("/b"))]
        assert postgres.choose_binaries(found, 15).major == 15

    def test_refuses_old_ones(self):
        with pytest.raises(PostgresError, match="12 is too old") as caught:
            postgres.choose_binaries([Binaries(12, Path("/a"))])
        assert "13 or newer" in caught.value.cure

    def test_data_of_a_missing_version(self):
        with pytest.raises(PostgresError, match="made by PostgreSQL 14") as caught:
            postgres.choose_binaries([Binaries(17, Path("/a"))], 14)
        assert "make clean" in caught.value.cure

    def test_no_server_at_all(self, monkeypatch):
        monkeypatch.setattr(postgres, "all_binaries", list)
        monkeypatch.setattr(shutil, "which", lambda _name: None)
        with pytest.raises(PostgresError, match="no PostgreSQL server") as caught:
            postgres.ensure_binaries()
        assert "apt-get install postgresql" in caught.value.cure

    def test_demo_is_durable_and_tests_are_fast(self):
        assert postgres.demo_cluster().settings["fsync"] == "on"
        assert postgres.test_cluster().settings["fsync"] == "off"

    def test_never_listens_on_the_network(self):
        for cluster in postgres.all_clusters():
            assert cluster._all_settings()["listen_addresses"] == "''"
            assert cluster._all_settings()["unix_socket_permissions"] == "0700"

    def test_stale_pid_file_of_another_process(self, tmp_path, monkeypatch):
        cluster = postgres.test_cluster()
        monkeypatch.setattr(postgres.Cluster, "base", tmp_path)
        cluster.data.mkdir(parents=True)
        (cluster.data / "postmaster.pid").write_text(f"{os.getpid()}\n")
        assert cluster._pid() is None
        assert not cluster.is_running()

    def test_long_and_odd_paths_get_sockets_elsewhere(self, monkeypatch, tmp_path):
        assert paths.fits_socket(Path("/srv/suite/.local/pg/run"))
        assert not paths.fits_socket(Path("/srv") / ("x" * 100))
        assert not paths.fits_socket(Path("/srv/with space/run"))
        monkeypatch.setattr(postgres.Cluster, "base", tmp_path / ("long " * 30))
        monkeypatch.setattr(paths, "private_dir", lambda: tmp_path / "p")
        assert postgres.test_cluster().sockets == tmp_path / "p" / "run"


class TestPrivateDirectory:
    def test_depends_on_the_project(self):
        one, two = (paths.private_dir(Path(name)) for name in ("/a b", "/a c"))
        assert one != two
        assert len(str(one)) < paths.LONGEST_SOCKET_DIR - len("/pg/run")

    def test_is_entered_but_not_listed_by_others(self, tmp_path, monkeypatch):
        monkeypatch.setattr(paths, "private_dir", lambda: tmp_path / "p")
        made = paths.ensure_private_dir()
        assert stat.S_IMODE(made.stat().st_mode) == 0o711

    def test_refuses_a_link(self, tmp_path, monkeypatch):
        (tmp_path / "p").symlink_to(tmp_path)
        monkeypatch.setattr(paths, "private_dir", lambda: tmp_path / "p")
        with pytest.raises(UnsafeDirectoryError):
            paths.ensure_private_dir()


class TestPorts:
    def test_takes_the_next_free_one(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            assert not server.is_free(port)
            assert server.choose_port(first=port) > port

    def test_leaves_out_a_port_given_away(self):
        first = server.choose_port(first=20000)
        assert server.choose_port(first=first, taken=first) > first

    def test_wanted_port_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            with pytest.raises(PortTakenError, match=port) as caught:
                server.choose_port(port)
        assert "PORT=" in caught.value.cure

    @pytest.mark.parametrize("wanted", ["web", "0", "70000"])
    def test_wanted_port_is_none(self, wanted):
        with pytest.raises(PortTakenError, match="is no port"):
            server.choose_port(wanted)


class TestProcesses:
    def test_stale_pid_file_is_forgotten(self, tmp_path):
        path = tmp_path / "x.pid"
        path.write_text(f"{os.getpid()}\n")
        assert process.read_pid(path, "no such word on this command line") is None
        assert not path.exists()

    def test_finds_and_stops_what_runs(self, tmp_path):
        code = "import time; time.sleep(60) # our-mark"
        running = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        path = tmp_path / "x.pid"
        path.write_text(f"{running.pid}\n")
        assert process.read_pid(path, "our-mark") == running.pid
        process.stop_process(running.pid, patience=5)
        assert running.wait() < 0

    def test_environment_redirects_nothing(self, monkeypatch):
        monkeypatch.setenv("PGHOST", "elsewhere")
        monkeypatch.setenv("ODOO_RC", "/etc/other.conf")
        env = process.clean_environment({"X": "1"})
        assert "PGHOST" not in env and "ODOO_RC" not in env and env["X"] == "1"


class TestKeys:
    @pytest.fixture
    def addon(self, tmp_path):
        folder = tmp_path / "saas_x"
        (folder / "models").mkdir(parents=True)
        (folder / "__manifest__.py").write_text('{"name": "X"}')
        (folder / "models" / "x.py").write_text("a = 1\n")
        return folder

    def test_source_changes_the_key(self, addon):
        before = stamps.addon_digest(addon)
        (addon / "models" / "x.py").write_text("a = 2\n")
        assert stamps.addon_digest(addon) != before

    def test_moved_source_changes_the_key(self, addon):
        before = stamps.addon_digest(addon)
        (addon / "models" / "x.py").rename(addon / "models" / "y.py")
        assert stamps.addon_digest(addon) != before

    def test_tests_and_readme_do_not(self, addon):
        before = stamps.addon_digest(addon)
        for name in ("tests/test_x.py", "readme/USAGE.md", "__pycache__/x.pyc"):
            path = addon / name
            path.parent.mkdir(exist_ok=True)
            path.write_text("changed")
        assert stamps.addon_digest(addon) == before

    def test_borders_of_texts_count(self):
        assert stamps.digest("ab", "c") != stamps.digest("a", "bc")

    def test_upgrades_what_changed(self):
        old = {"": "1", "saas_a": "1", "saas_b": "1"}
        new = {"": "1", "saas_a": "2", "saas_b": "1", "saas_c": "1"}
        assert demo.changed_modules(old, new) == (["saas_a"], ["saas_c"])
        assert demo.changed_modules(old, old) == ([], [])

    def test_another_odoo_upgrades_everything(self):
        old, new = {"": "1"}, {"": "2", "saas_a": "1"}
        assert demo.changed_modules(old, new) == (["base"], ["saas_a"])


class TestAddons:
    def test_names_what_is_not_ours(self):
        foreign = addons.foreign_depends()
        assert "queue_job" in foreign
        assert not set(foreign) & set(addons.own_names())

    def test_closure_holds_the_addons_below(self):
        assert addons.own_closure("saas_dashboards") == ["saas_core", "saas_dashboards"]


class TestRequirements:
    def lines(self, root, name):
        rows = (root / name).read_text().splitlines()
        return [row for row in rows if row and not row.startswith(("#", "-r"))]

    @pytest.mark.parametrize(
        "name",
        [
            "requirements.txt",
            "requirements-oca.txt",
            "requirements-dev.txt",
            "requirements-lint.txt",
        ],
    )
    def test_everything_is_pinned(self, root, name):
        for line in self.lines(root, name):
            assert "==" in line.partition(";")[0], line

    def test_lint_versions_agree_with_pre_commit(self, root):
        hooks = (root / ".pre-commit-config.yaml").read_text()
        for line in self.lines(root, "requirements-lint.txt"):
            if line.startswith(("ruff==", "pylint-odoo==", "oca-odoo-")):
                assert f'"{line}"' in hooks
        from tools.lint import PRETTIER

        assert all(f'"{package}"' in hooks for package in PRETTIER)

    def test_environment_key_follows_the_place(self):
        env = python_env.lint_env()
        other = python_env.PythonEnv("other", env.requirements)
        assert env.key != other.key


class TestCommandLine:
    def test_options_behind_the_dashes_are_the_tests(self):
        from tools.cli import split

        assert split(["test", "--"]) == (["test"], [])
        assert split(["test", "--", "-k", "a b"]) == (["test"], ["-k", "a b"])
        assert split(["demo"]) == (["demo"], [])


class TestMakefile:
    def test_every_command_has_a_target(self, root):
        from tools.cli import COMMANDS

        text = (root / "Makefile").read_text()
        for name in COMMANDS:
            assert f"\n{name}:\n" in text, name

    def test_runs_in_a_path_with_spaces(self, root, tmp_path):
        copy = tmp_path / "a project"
        copy.mkdir()
        shutil.copy(root / "Makefile", copy)
        shutil.copytree(root / "tools", copy / "tools")
        done = subprocess.run(
            ["make", "-C", str(copy), "help", f"PYTHON={sys.executable}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "make COMMAND" in done.stdout


def test_database_an_autovacuum_worker_is_in_can_be_dropped(tmp_path) -> None:
    """Force fails then for an ordinary role; the ordinary command asks it to leave."""
    from types import SimpleNamespace

    from tools.database import Databases

    said = []

    def sql(query: str) -> str:
        said.append(query)
        if "FORCE" in query:
            raise PostgresError("must be a member of pg_signal_backend", "")
        return ""

    owner = SimpleNamespace(
        cluster=SimpleNamespace(sql=sql), filestore=lambda name: tmp_path / name
    )
    Databases.drop(owner, "clone_1")
    assert said[-1] == 'DROP DATABASE IF EXISTS "clone_1"'
