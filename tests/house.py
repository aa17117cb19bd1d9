# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The rules of the house, read from syntax trees, manifests and XML.

Every rule takes the folder of the addons and returns its violations as
``path:line message``; an empty list is a clean house. Nothing is imported or run.
"""

import ast
import csv
import re
import sys
import xml.etree.ElementTree as ET  # noqa: S405 - our own files
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

# Which suite modules a module may import from and depend on (docs/ARCHITECTURE.md).
CORE = frozenset({"saas_core"})
ALLOWED: dict[str, frozenset[str]] = {
    "saas_core": frozenset(),
    "saas_subscription_ops": CORE,
    "saas_usage_billing": CORE | {"saas_subscription_ops"},
    "saas_helpdesk_sla": CORE,
    "saas_dashboards": CORE,
    "saas_demo": CORE
    | {
        "saas_subscription_ops",
        "saas_usage_billing",
        "saas_helpdesk_sla",
        "saas_dashboards",
    },
}
# Standard modules that would let an engine read a clock, do I/O or roll dice.
NOT_IN_ENGINE = frozenset(
    "asyncio builtins ctypes ftplib glob http importlib io locale logging"
    " multiprocessing os pathlib pickle random secrets select shelve shutil signal"
    " smtplib socket sqlite3 ssl subprocess sys tempfile threading time urllib"
    " uuid".split()
)
CLOCK_CALLS = frozenset({"now", "utcnow", "today"})
CALLS_NOT_IN_ENGINE = frozenset(
    {"open", "float", "print", "input", "eval", "exec", "compile", "__import__"}
)
MODEL_BASES = frozenset({"Model", "TransientModel", "AbstractModel"})
WRITES = frozenset({"create", "write", "unlink", "copy", "toggle_active", "_load"})


class Imported(NamedTuple):
    """One imported module: dotted name, level of a relative import, line."""

    module: str
    level: int
    line: int


class OdooModel(NamedTuple):
    """A model class: its own name (None for an extension), its base, its place."""

    path: Path
    line: int
    base: str
    name: str | None
    has_company: bool


def is_test(path: Path, addons: Path) -> bool:
    """Return whether a file belongs to an addon's tests."""
    return "tests" in path.relative_to(addons).parts[1:-1]


def sources(addons: Path, *folders: str) -> Iterator[Path]:
    """Yield the product's Python files, of some folders of each addon or all."""
    for path in sorted(addons.glob("*/**/*.py")):
        parts = path.relative_to(addons).parts
        if is_test(path, addons) or "node_modules" in parts:
            continue
        if not folders or (len(parts) > 2 and parts[1] in folders):
            yield path


def tree(path: Path) -> ast.Module:
    """Parse a file, once for all rules."""
    return _parse(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2048)
def _parse(path: Path, _changed: int) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def at(path: Path, addons: Path, line: int, message: str) -> str:
    """Return a violation."""
    return f"{path.relative_to(addons)}:{line} {message}"


def imports(path: Path) -> Iterator[Imported]:
    """Yield every module a file imports, also the names taken from a package."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Imported(alias.name, 0, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            for alias in node.names:
                dotted = f"{base}.{alias.name}" if base else alias.name
                yield Imported(dotted, node.level, node.lineno)


def absolute(one: Imported, path: Path, addons: Path) -> str:
    """Return an import's full name, relative ones as ``odoo.addons...``."""
    if not one.level:
        return one.module
    package = path.relative_to(addons).parts[:-1]
    kept = package[: len(package) - one.level + 1]
    return ".".join(("odoo", "addons", *kept, one.module))


def calls(path: Path) -> Iterator[ast.Call]:
    """Yield every call of a file."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield node


def called(call: ast.Call) -> str:
    """Return the last name of what is called."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


# -- engines


def engine_imports(addons: Path) -> list[str]:
    """Engines import the standard library and their own modules only."""
    found = []
    for path in sources(addons, "engine"):
        depth = len(path.relative_to(addons).parts) - 2
        for one in imports(path):
            top = one.module.split(".")[0]
            if one.level:
                bad = one.level > depth
            else:
                bad = top not in sys.stdlib_module_names or top in NOT_IN_ENGINE
            if bad:
                name = "." * one.level + one.module
                found.append(at(path, addons, one.line, f"engine imports {name}"))
    return found


def engine_calls(addons: Path) -> list[str]:
    """Engines read no clock, open nothing and make no binary floats."""
    found = []
    for path in sources(addons, "engine"):
        for call in calls(path):
            name = called(call)
            method = isinstance(call.func, ast.Attribute)
            if name in (CLOCK_CALLS if method else CALLS_NOT_IN_ENGINE):
                found.append(at(path, addons, call.lineno, f"engine calls {name}()"))
    return found


def engine_annotations(addons: Path) -> list[str]:
    """Every function of an engine is annotated."""
    found = []
    for path in sources(addons, "engine"):
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            given = node.args
            names = [*given.posonlyargs, *given.args, *given.kwonlyargs]
            names += [one for one in (given.vararg, given.kwarg) if one]
            bare = [
                one.arg
                for one in names
                if one.annotation is None and one.arg not in ("self", "cls")
            ]
            if bare or node.returns is None:
                what = ", ".join(bare) or "the result"
                message = f"{node.name} does not annotate {what}"
                found.append(at(path, addons, node.lineno, message))
    return found


# -- who may use whom


def manifest(addon: Path) -> dict[str, object]:
    """Read a manifest."""
    value = ast.literal_eval((addon / "__manifest__.py").read_text(encoding="utf-8"))
    return value if isinstance(value, dict) else {}


def suite(addons: Path) -> list[Path]:
    """Return the folders of the suite's addons."""
    return sorted(path.parent for path in addons.glob("*/__manifest__.py"))


def may_use(addon: Path) -> frozenset[str] | None:
    """Return the suite modules an addon may use, None for all (a bridge)."""
    if addon.name in ALLOWED:
        return ALLOWED[addon.name]
    return None if manifest(addon).get("auto_install") else CORE


def sibling_imports(addons: Path) -> list[str]:
    """Addons import only from the suite modules they may depend on."""
    found = []
    for path in sorted(addons.glob("*/**/*.py")):
        addon = addons / path.relative_to(addons).parts[0]
        if not (addon / "__manifest__.py").is_file():
            continue
        allowed = may_use(addon)
        for one in imports(path):
            match = re.match(r"odoo\.addons\.(saas_\w+)", absolute(one, path, addons))
            other = match[1] if match else addon.name
            if other == addon.name or allowed is None or other in allowed:
                continue
            found.append(at(path, addons, one.line, f"imports its sibling {other}"))
    return found


def sibling_depends(addons: Path) -> list[str]:
    """Manifests depend only on the suite modules they may use."""
    found = []
    for addon in suite(addons):
        allowed = may_use(addon)
        depends = manifest(addon).get("depends") or []
        for other in depends if isinstance(depends, list) else []:
            if not str(other).startswith("saas_") or allowed is None:
                continue
            if other not in allowed:
                where = addon / "__manifest__.py"
                found.append(at(where, addons, 1, f"depends on its sibling {other}"))
    return found


def forbidden_imports(addons: Path) -> list[str]:
    """Nobody imports ``odoo.orm``, product code imports no tests."""
    found = []
    for path in sorted(addons.glob("*/**/*.py")):
        for one in imports(path):
            full = absolute(one, path, addons)
            if full.startswith("odoo.orm.") or full == "odoo.orm":
                found.append(at(path, addons, one.line, f"imports {full}"))
            in_tests = re.match(r"(tests\.|pytest|hypothesis|odoo\.tests\.)", full)
            in_tests = in_tests or re.match(r"odoo\.addons\.\w+\.tests(\.|$)", full)
            if in_tests and not is_test(path, addons):
                found.append(at(path, addons, one.line, f"product imports {full}"))
    return found


def model_imports(addons: Path) -> list[str]:
    """Models import neither controllers nor wizards."""
    found = []
    for path in sources(addons, "models"):
        for one in imports(path):
            full = absolute(one, path, addons)
            if re.match(r"odoo\.addons\.\w+\.(controllers|wizards)(\.|$)", full):
                found.append(at(path, addons, one.line, f"model imports {full}"))
    return found


def dashboards_write(addons: Path) -> list[str]:
    """Dashboards read only: no writing calls, no writing SQL."""
    found = []
    folders = ("models", "controllers", "wizards", "report")
    for path in sources(addons, *folders):
        if path.relative_to(addons).parts[0] != "saas_dashboards":
            continue
        for call in calls(path):
            if not isinstance(call.func, ast.Attribute):
                continue
            target = call.func.value
            is_super = isinstance(target, ast.Call) and called(target) == "super"
            if call.func.attr in WRITES and not is_super:
                message = f"dashboards call {call.func.attr}()"
                found.append(at(path, addons, call.lineno, message))
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if re.match(
                    r"\s*(INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM)", node.value
                ):
                    found.append(at(path, addons, node.lineno, "dashboards write SQL"))
    return found


# -- models and views


def odoo_models(addons: Path) -> Iterator[OdooModel]:
    """Yield every model class of the product."""
    for path in sources(addons, "models", "wizards", "report"):
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef):
                bases = {b.attr for b in node.bases if isinstance(b, ast.Attribute)}
                for base in bases & MODEL_BASES:
                    yield _model(path, node, base)


def _model(path: Path, node: ast.ClassDef, base: str) -> OdooModel:
    """Return what a class body says about its model."""
    assigned = {
        target.id: statement.value
        for statement in node.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    names, inherited = (
        [one.value for one in ast.walk(value) if isinstance(one, ast.Constant)]
        if (value := assigned.get(key)) is not None
        else []
        for key in ("_name", "_inherit")
    )
    # with its own name among the parents the class extends a foreign model
    name = str(names[0]) if names and names[0] not in inherited else None
    return OdooModel(path, node.lineno, base, name, "company_id" in assigned)


def one_model_per_file(addons: Path) -> list[str]:
    """Each model has a file of its own."""
    found, seen = [], set()
    for model in odoo_models(addons):
        if model.path in seen:
            found.append(at(model.path, addons, model.line, "a second model"))
        seen.add(model.path)
    return found


def access_rows(addon: Path) -> set[str]:
    """Return the models an addon gives access to, as in ``model_saas_event``."""
    found: set[str] = set()
    for path in addon.glob("security/*.csv"):
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                found.add(row.get("model_id:id") or row.get("model_id/id") or "")
    for record in records(addon, "ir.model.access"):
        found.add(field_ref(record, "model_id"))
    return {name.rpartition(".")[2] for name in found}


def model_access(addons: Path) -> list[str]:
    """Every model of ours has an access row."""
    rows = {addon.name: access_rows(addon) for addon in suite(addons)}
    found = []
    for model in odoo_models(addons):
        if model.name is None or model.base == "AbstractModel":
            continue
        addon = model.path.relative_to(addons).parts[0]
        if f"model_{model.name.replace('.', '_')}" not in rows.get(addon, set()):
            message = f"{model.name} has no access row"
            found.append(at(model.path, addons, model.line, message))
    return found


def company_rules(addons: Path) -> list[str]:
    """Every stored model with a company has a rule on it."""
    ruled: dict[str, set[str]] = {}
    for addon in suite(addons):
        ruled[addon.name] = {
            field_ref(record, "model_id").rpartition(".")[2]
            for record in records(addon, "ir.rule")
            if "compan" in "".join(record.itertext())
        }
    found = []
    for model in odoo_models(addons):
        if model.name is None or model.base != "Model" or not model.has_company:
            continue
        addon = model.path.relative_to(addons).parts[0]
        if f"model_{model.name.replace('.', '_')}" not in ruled.get(addon, set()):
            message = f"{model.name} has no company rule"
            found.append(at(model.path, addons, model.line, message))
    return found


def xml_files(folder: Path) -> Iterator[Path]:
    """Yield the XML data files of a folder, not those of the web client."""
    for path in sorted(folder.glob("**/*.xml")):
        if not {"static", "node_modules"} & set(path.relative_to(folder).parts):
            yield path


def records(addon: Path, model: str) -> Iterator[ET.Element]:
    """Yield an addon's data records of one model."""
    for path in xml_files(addon):
        try:
            root = ET.parse(path).getroot()  # noqa: S314 - our own files
        except ET.ParseError:
            continue  # named by `no_tree_views`
        for record in root.iter("record"):
            if record.get("model") == model:
                yield record


def field_ref(record: ET.Element, name: str) -> str:
    """Return the xml id a field of a record refers to."""
    for one in record.iter("field"):
        if one.get("name") == name:
            return one.get("ref") or one.get("search") or ""
    return ""


def no_tree_views(addons: Path) -> list[str]:
    """XML is well formed and says ``list``, never ``tree``."""
    found = []
    for path in xml_files(addons):
        try:
            root = ET.parse(path).getroot()  # noqa: S314 - our own files
        except ET.ParseError as error:
            found.append(at(path, addons, error.position[0], "is no XML"))
            continue
        modes = (
            one.text or ""
            for one in root.iter("field")
            if one.get("name") in ("view_mode", "mode")
        )
        if root.find(".//tree") is not None or any("tree" in mode for mode in modes):
            found.append(at(path, addons, 1, "uses a tree view"))
    return found


def cron_calls(addons: Path) -> list[str]:
    """Scheduled actions call one ``_cron_`` method of their model."""
    found = []
    for addon in suite(addons):
        for record in records(addon, "ir.cron"):
            code = ""
            for one in record.iter("field"):
                if one.get("name") == "code":
                    code = "".join(one.itertext()).strip()
            if code and not re.fullmatch(r"model\._cron_\w+\([^()\n]*\)", code):
                where = addon / "__manifest__.py"
                found.append(at(where, addons, 1, f"cron {record.get('id')}: {code}"))
    return found


def swallowed_errors(addons: Path) -> list[str]:
    """Nobody catches everything and does nothing, nobody commits by hand."""
    found = []
    for path in sources(addons):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ExceptHandler):
                broad = node.type is None or (
                    isinstance(node.type, ast.Name)
                    and node.type.id in ("Exception", "BaseException")
                )
                if broad and all(isinstance(one, ast.Pass) for one in node.body):
                    found.append(at(path, addons, node.lineno, "swallows all errors"))
            elif isinstance(node, ast.Call) and called(node) == "commit":
                found.append(at(path, addons, node.lineno, "commits by hand"))
    return found


RULES: dict[str, Callable[[Path], list[str]]] = {
    rule.__name__: rule
    for rule in (
        engine_imports,
        engine_calls,
        engine_annotations,
        sibling_imports,
        sibling_depends,
        forbidden_imports,
        model_imports,
        dashboards_write,
        one_model_per_file,
        model_access,
        company_rules,
        no_tree_views,
        cron_calls,
        swallowed_errors,
    )
}
