# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""`make demo` and what belongs to it: stop, clean, logs, shell."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path

from tools import addons, environment, paths, postgres, server, stamps, system
from tools.database import Databases
from tools.environment import Environment
from tools.errors import ToolError
from tools.process import clean_environment
from tools.progress import Step, say, seconds
from tools.server import RunningServer

DATABASE = "saas_demo"
NAME = "demo"
LOGIN = "admin"
ACCESS = paths.LOCAL / "demo_access.json"
ACCESS_SCRIPT = paths.ROOT / "tools" / "demo_access.py"
STORY = paths.ROOT / "tools" / "demo_story.py"
STORY_TEXT = paths.STATE / "demo_story.txt"
CONTENT = paths.STATE / "demo_content.json"
SECRET = paths.LOCAL / "demo_password"


def demo() -> int:
    """Set up everything, run the main job, serve the demo company.

    :return: exit status
    """
    start = time.monotonic()
    # A taken port shall be told before minutes of work.
    running = server.find_running(NAME)
    wanted = os.environ.get("PORT", "")
    if wanted and not running:
        server.choose_port(wanted)
    databases = open_databases()
    if system.ensure_pdf_program() is None:
        say("  note: wkhtmltopdf is not installed, so there will be no PDF files")
    content = current_content(databases.environment)
    changed = ensure_database(databases, content)
    running = serve(databases, changed)
    failed = tell_story(running, changed)
    say(welcome(running, seconds(time.monotonic() - start)))
    return 1 if failed else 0


def open_databases() -> Databases:
    """Return the demo's databases, with everything below them running."""
    built = environment.ensure()
    return Databases(built, postgres.demo_cluster().ensure())


def current_content(built: Environment) -> dict[str, str]:
    """Return the keys of everything a demo database is made of."""
    digests = stamps.addon_digests(addons.all_addons())
    return {"": built.key, **digests}


def changed_modules(
    old: dict[str, str], new: dict[str, str]
) -> tuple[list[str], list[str]]:
    """Compare what a database was made of with what there is now.

    :param old: keys by module; the empty name stands for Odoo itself
    :param new: the same of today
    :return: modules to upgrade (`base` brings all others), modules to install
    """
    added = sorted(set(new) - set(old))
    if old.get("") != new.get(""):
        return ["base"], added
    return sorted(name for name in old if name in new and old[name] != new[name]), added


def _stored_content() -> dict[str, str] | None:
    try:
        return json.loads(CONTENT.read_text())
    except (OSError, ValueError):
        return None


def ensure_database(databases: Databases, content: dict[str, str]) -> bool:
    """Create the demo database, or bring it up to date with the sources.

    :return: whether it changed
    """
    old = _stored_content() if databases.exists(DATABASE) else None
    if old is None:
        template = databases.suite(addons.own_names())
        server.stop_running(NAME)
        with Step("demo database"):
            databases.clone(template, DATABASE)
            _issue_logins(databases)
    else:
        changed, added = changed_modules(old, content)
        if not changed and not added:
            return False
        server.stop_running(NAME)
        with Step(f"upgrading {', '.join([*changed, *added])}"):
            databases.modules(DATABASE, update=changed, install=added)
    CONTENT.write_text(json.dumps(content, indent=2) + "\n")
    STORY_TEXT.unlink(missing_ok=True)
    return True


def _issue_logins(databases: Databases) -> None:
    """Replace the administrator's well-known password, make the others'."""
    password = secrets.token_urlsafe(9)
    SECRET.touch(mode=0o600)
    SECRET.write_text(password + "\n")
    databases.shell(
        DATABASE,
        f"env.ref('base.user_admin').write({{'password': {password!r}}})\n"
        "env.cr.commit()",
    )
    if ACCESS_SCRIPT.exists():
        ACCESS.unlink(missing_ok=True)
        issue_access(databases, DATABASE, ACCESS, password)


def issue_access(
    databases: Databases, database: str, target: Path, password: str
) -> None:
    """Give the demo company's people their logins.

    :param target: the file that gets them
    :param password: of all of them
    """
    script = ACCESS_SCRIPT.read_text()
    preset = (
        "import os\n"
        f"os.environ['SAAS_DEMO_ACCESS'] = {str(target)!r}\n"
        f"os.environ['SAAS_DEMO_PASSWORD'] = {password!r}\n"
    )
    databases.shell(database, preset + script)


def serve(databases: Databases, changed: bool) -> RunningServer:
    """Return the web server, started unless it runs."""
    running = server.find_running(NAME)
    if running and not changed and running.is_up():
        return running
    server.stop_running(NAME)
    port = server.choose_port(os.environ.get("PORT", ""))
    with Step("web server"):
        return server.start(
            databases,
            DATABASE,
            name=NAME,
            port=port,
            host=os.environ.get("HOST") or "127.0.0.1",
            login=LOGIN,
            password=SECRET.read_text().strip(),
        )


def story_command(running: RunningServer, access: Path) -> list[str]:
    """Return the command that tells the main job on a started server."""
    options = {"url": running.url, "database": running.database, "access": access}
    pairs = [part for name, value in options.items() for part in (f"--{name}", value)]
    return [running.python, "-m", "tools.demo_story", *map(str, pairs)]


def tell_story(running: RunningServer, changed: bool) -> bool:
    """Run the main job once, and show its figures at every start.

    :return: whether it failed
    """
    if not STORY.exists():
        return False
    if STORY_TEXT.exists() and not changed:
        say(STORY_TEXT.read_text())
        return False
    say("\nThe main job, step by step:\n")
    lines = []
    process = subprocess.Popen(
        story_command(running, ACCESS),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=paths.ROOT,
        env=clean_environment({"PYTHONUNBUFFERED": "1"}),
    )
    for line in process.stdout or ():
        say(line.rstrip("\n"))
        lines.append(line)
    if process.wait():
        say("\nThe main job stopped half-way; run `make demo` again to go on.")
        return True
    STORY_TEXT.write_text("".join(lines))
    return False


def welcome(running: RunningServer, spent: str) -> str:
    """Write where everything is."""
    lines = [
        "",
        f"Ready after {spent}.",
        f"  address   {running.url}",
        f"  login     {LOGIN}, password {running.password}",
    ]
    if ACCESS.exists():
        people = json.loads(ACCESS.read_text())
        logins = ", ".join(people.get("users", {}).values())
        lines.append(f"  people    {logins}, all with password {people['password']}")
    lines.append("  then      make logs, make shell, make stop")
    return "\n".join(lines)


def stop() -> int:
    """Stop the web server and the clusters.

    :return: exit status
    """
    stopped = ["web server"] if server.stop_running(NAME) else []
    if paths.LOCAL.exists():
        for cluster in postgres.all_clusters():
            if cluster.stop():
                stopped.append(f"{cluster.name} cluster")
    say(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")
    return 0


def clean() -> int:
    """Stop everything, then remove `.local` and the private directory beside it.

    :return: exit status
    """
    if paths.LOCAL.exists():
        stop()
    for path in (paths.LOCAL, paths.private_dir()):
        if path.is_symlink():
            path.unlink()
        elif path.exists():
            _remove(path)
            say(f"removed {path}")
    return 0


def _remove(path: Path) -> None:
    owner = path.lstat().st_uid
    if owner != os.getuid():
        raise ToolError(
            f"{path} belongs to another user", "run make clean as that user"
        )
    shutil.rmtree(path)


def logs() -> int:
    """Follow the web server's log until interrupted.

    :return: exit status
    """
    log = paths.LOGS / f"{NAME}.log"
    if not log.exists():
        raise ToolError("there is no log yet", "start the server with: make demo")
    return subprocess.run(["tail", "-n", "50", "-F", str(log)], check=False).returncode


def shell() -> int:
    """Open an interactive Odoo shell on the demo database.

    :return: exit status
    """
    databases = open_databases()
    if not databases.exists(DATABASE):
        raise ToolError("there is no demo database yet", "make it with: make demo")
    command = databases.environment.odoo("shell", "-c", databases.config)
    command += ["-d", DATABASE, "--no-http", "--log-level=error"]
    done = subprocess.run(
        list(map(str, command)),
        cwd=paths.ROOT,
        env=databases.cluster.environment(),
        check=False,
    )
    return done.returncode
