# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Load an addon's engine by its path, without Odoo and without its addon package."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ADDONS = Path(__file__).resolve().parent.parent / "addons"


def load_engine(addon: str, addons: Path = ADDONS) -> ModuleType:
    """Import ``addons/<addon>/engine`` as a package of its own.

    :param addon: technical name of the addon
    :param addons: folder of the addons
    :return: the engine package, the same object for every call
    :raise FileNotFoundError: the addon has no engine
    """
    name = f"{addon}_engine"
    if name in sys.modules:
        return sys.modules[name]
    init = addons / addon / "engine" / "__init__.py"
    if not init.is_file():
        raise FileNotFoundError(f"no engine at {init}")
    spec = importlib.util.spec_from_file_location(
        name, init, submodule_search_locations=[str(init.parent)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
