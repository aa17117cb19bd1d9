# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What must not be in any file of the project."""

import re
import subprocess

import pytest

# Hosts of package registries and mirrors: the machine's own settings choose them.
# Written in pieces, so that this file does not find itself.
HOSTS = re.compile(
    r"(pypi\.(org|io)|files\.pythonhosted|registry\.npmjs|registry\.yarnpkg"
    r"|deb\.debian|archive\.ubuntu|ftp\.[a-z.]*debian|nightly\.odoo|docker\.io"
    r"|ghcr\.io|quay\.io)"
)
MACHINE_PATHS = re.compile(r"(?<![\w.])/(work|root|home/\w+)/")
KEYS = re.compile(r"(BEGIN (RSA |EC |OPENSSH )?PRIVATE KEY|AKIA[0-9A-Z]{16})")
TEXT = {
    ".py", ".xml", ".js", ".cjs", ".md", ".txt", ".toml", ".yml", ".yaml", ".json",
    ".csv", ".conf", ".cfg", ".sh", ".po", ".pot", ".scss", ".css", ".html", "",
    ".example", ".ini",
}  # fmt: skip


@pytest.fixture(scope="module")
def files(root):
    """Every text file git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    names = [name for name in listed.split("\0") if name]
    if not names:  # an unpacked archive
        names = [str(path.relative_to(root)) for path in root.rglob("*")]
        names = [name for name in names if not name.startswith(".local/")]
    found = [root / name for name in names]
    return [path for path in found if path.is_file() and path.suffix in TEXT]


def offences(files, root, pattern):
    """Return `file:line: text` of what a pattern finds."""
    found = []
    for path in files:
        if path.name == "test_tooling_repository.py":
            continue
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(root)}:{number}: {line.strip()[:80]}")
    return found


def test_names_no_registry(files, root):
    assert offences(files, root, HOSTS) == []


def test_names_no_place_of_one_machine(files, root):
    assert offences(files, root, MACHINE_PATHS) == []


def test_holds_no_key(files, root):
    assert offences(files, root, KEYS) == []


def test_private_environment_is_ignored(root):
    done = subprocess.run(
        ["git", "check-ignore", "-q", ".local/anything"], cwd=root, check=False
    )
    lines = (root / ".gitignore").read_text().split()
    assert done.returncode == 0 or "/.local/" in lines


@pytest.mark.parametrize(
    "pattern, planted",
    [
        (HOSTS, "https://pypi." + "org/simple"),
        (MACHINE_PATHS, "open('/" + "work/x')"),
        (KEYS, "-----BEGIN " + "PRIVATE KEY-----"),
    ],
)
def test_finds_a_planted_case(tmp_path, pattern, planted):
    path = tmp_path / "x.py"
    path.write_text(planted)
    assert len(offences([path], tmp_path, pattern)) == 1
