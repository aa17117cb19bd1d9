# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Find what Odoo itself does not notice in a dashboard file.

Odoo parses the JSON and, with tests enabled only, looks at pivot, list and chart
fields. It lets pass: filters linked to fields that do not exist, formulas naming a
pivot or list that is not there, scorecards on a missing sheet, a version the browser
refuses, figures on top of each other. ``check`` needs nothing but the file;
``check_schema`` also needs to know the models and the menus.
"""

import json
import re

NEWEST_VERSION = (18, 5, 10)
SUFFIX = "_dashboard.json"
PIVOT_CALL = re.compile(r'PIVOT\.(VALUE|HEADER)\((\d+)((?:,"?[^,"()]*"?)*)\)')
PIVOT_TABLE = re.compile(r"\bPIVOT\((\d+)")
LIST_CALL = re.compile(r'ODOO\.LIST(\.HEADER)?\((\d+),(?:(\d+),)?"([^"]+)"')
SHEET_RANGE = re.compile(r"(?:'([^']+)'|\b([A-Za-z_]\w*))!\$?[A-Z]+\$?\d+")
CELL = re.compile(r"([A-Z]+)(\d+)$")
MENU_LINK = re.compile(r"\(odoo://ir_menu_xml_id/([\w.]+)\)")
FILTER_CALL = re.compile(r'ODOO\.FILTER\.VALUE\("([^"]+)"')
FUNCTION = re.compile(r"([A-Za-z_][\w.]*)\(")
#: Functions the generator may use; anything else shows #NAME? in the browser.
FUNCTIONS = frozenset(
    "AND CONCATENATE IF IFERROR ISNUMBER ODOO.FILTER.VALUE ODOO.LIST ODOO.LIST.HEADER"
    " PIVOT PIVOT.HEADER PIVOT.VALUE SUM _t".split()
)
DATE_TYPES = {"date", "datetime"}


def check(name: str, text: str) -> list:
    """Return every problem that shows in the file alone.

    :param str name: file name
    :param str text: content
    :return: problems in English, empty when there are none
    """
    problems = [] if name.endswith(SUFFIX) else [f"name must end in {SUFFIX}"]
    try:
        doc = json.loads(text)
    except ValueError as error:
        return [*problems, f"not JSON: {error}"]
    problems += _check_version(doc)
    problems += _check_ids(doc)
    for sheet in doc.get("sheets", []):
        problems += _check_sheet(doc, sheet)
    problems += _check_filters(doc)
    problems += _check_menu_references(doc)
    return problems


def sources(doc: dict):
    """Yield ``(label, model, field matching)`` of all pivots, lists and Odoo charts."""
    for number, pivot in doc.get("pivots", {}).items():
        yield f"pivot {number}", pivot["model"], pivot.get("fieldMatching", {})
    for number, item in doc.get("lists", {}).items():
        yield f"list {number}", item["model"], item.get("fieldMatching", {})
    for figure, data in charts(doc):
        if data["type"].startswith("odoo_"):
            model = data["metaData"]["resModel"]
            yield f"chart {figure}", model, data.get("fieldMatching", {})


def charts(doc: dict):
    """Yield ``(figure id, chart data)`` of all chart figures."""
    for sheet in doc.get("sheets", []):
        for figure in sheet.get("figures", []):
            if figure["tag"] == "chart":
                yield figure["id"], figure["data"]


def menus(doc: dict) -> set:
    """Return the xml ids of all menus the dashboard opens."""
    found = set(doc.get("chartOdooMenusReferences", {}).values())
    for sheet in doc.get("sheets", []):
        for content in sheet.get("cells", {}).values():
            found |= set(MENU_LINK.findall(content))
    return found


def _check_version(doc):
    numbers = re.findall(r"\d+", str(doc.get("version", "")))
    version = tuple(int(number) for number in numbers)
    if not version or version > NEWEST_VERSION:
        return [f"version {doc.get('version')} is not one the browser can open"]
    return []


def _check_ids(doc):
    ids = [
        figure["id"]
        for sheet in doc.get("sheets", [])
        for figure in sheet.get("figures", [])
    ]
    problems = [
        f"figure id {one} is used twice" for one in {*ids} if ids.count(one) > 1
    ]
    for kind in ("pivots", "lists"):
        for number, item in doc.get(kind, {}).items():
            if item["id"] != number:
                problems.append(f"{kind} {number} calls itself {item['id']}")
    return problems


def _check_sheet(doc, sheet):
    problems = []
    name = sheet.get("name")
    for key in ("cells", "figures"):
        # Odoo's translation export stops at a sheet without them.
        if key not in sheet:
            problems.append(f"sheet {name} has no {key}")
    for cell, content in sheet.get("cells", {}).items():
        where = f"{name}!{cell}"
        if not _inside(sheet, cell):
            problems.append(f"{where} lies outside the sheet")
        if content.startswith("="):
            problems += _check_formula(doc, where, content)
    for figure in sheet.get("figures", []):
        problems += _check_ranges(doc, sheet, figure)
    return problems + _check_overlaps(sheet)


def _inside(sheet, cell):
    letters, number = CELL.match(cell).groups()
    index = 0
    for letter in letters:
        index = index * 26 + ord(letter) - 64
    return index <= sheet["colNumber"] and int(number) <= sheet["rowNumber"]


def _check_formula(doc, where, content):
    plain = _without_texts(content)
    problems = [
        f"{where}: function {function} is not known"
        for function in set(FUNCTION.findall(plain)) - FUNCTIONS
    ]
    if plain.count("(") != plain.count(")"):
        problems.append(f"{where}: brackets do not match")
    names = {sheet["name"] for sheet in doc["sheets"]}
    for quoted, bare in SHEET_RANGE.findall(plain):
        if (quoted or bare) not in names:
            problems.append(f"{where}: sheet {quoted or bare} does not exist")
    labels = {item["label"] for item in doc.get("globalFilters", [])}
    for label in set(FILTER_CALL.findall(content)) - labels:
        problems.append(f"{where}: filter {label} does not exist")
    return problems + _check_sources(doc, where, content)


def _check_sources(doc, where, content):
    """Check the pivots and lists a formula reads."""
    problems = []
    pivots, lists = doc.get("pivots", {}), doc.get("lists", {})
    for kind, number, arguments in PIVOT_CALL.findall(content):
        if number in pivots:
            problems += _check_pivot_call(where, pivots[number], kind, arguments)
        else:
            problems.append(f"{where}: pivot {number} does not exist")
    for number in set(PIVOT_TABLE.findall(content)) - pivots.keys():
        problems.append(f"{where}: pivot {number} does not exist")
    for _head, number, _position, field in LIST_CALL.findall(content):
        if number not in lists:
            problems.append(f"{where}: list {number} does not exist")
        elif field not in lists[number]["columns"]:
            problems.append(f"{where}: list {number} has no column {field}")
    return problems


def _without_texts(content):
    return re.sub(r'"[^"]*"', '""', content)


def _check_pivot_call(where, pivot, kind, arguments):
    problems = []
    parts = [part.strip('"') for part in arguments.split(",")[1:]]
    if kind == "VALUE":
        if not parts or parts[0] not in {one["id"] for one in pivot["measures"]}:
            problems.append(f"{where}: pivot {pivot['id']} has no measure {parts[:1]}")
        parts = parts[1:]
    dimensions = {
        ":".join(filter(None, (item["fieldName"], item.get("granularity"))))
        for item in [*pivot["rows"], *pivot["columns"]]
    }
    for dimension in parts[::2]:
        if dimension.lstrip("#") not in dimensions:
            problems.append(
                f"{where}: pivot {pivot['id']} is not grouped by {dimension}"
            )
    return problems


def _check_ranges(doc, sheet, figure):
    names = {one["name"]: one for one in doc["sheets"]}
    problems = []
    for key in ("keyValue", "baseline", "labelRange"):
        target = figure["data"].get(key)
        if not target:
            continue
        other, _mark, cell = target.rpartition("!")
        other = other.strip("'") or sheet["name"]
        if other not in names:
            problems.append(f"figure {figure['id']}: sheet {other} does not exist")
        elif cell not in names[other]["cells"]:
            problems.append(f"figure {figure['id']}: {target} is empty")
    return problems


def _box(sheet, figure):
    rows, cols = sheet.get("rows", {}), sheet.get("cols", {})
    top = sum(rows.get(str(i), {}).get("size", 23) for i in range(figure.get("row", 0)))
    left = sum(
        cols.get(str(i), {}).get("size", 96) for i in range(figure.get("col", 0))
    )
    x, y = left + figure["offset"]["x"], top + figure["offset"]["y"]
    return x, y, x + figure["width"], y + figure["height"]


def _check_overlaps(sheet):
    """Figures must not cover each other, nor the cells that hold something."""
    problems = []
    boxes = [(one["id"], _box(sheet, one)) for one in sheet.get("figures", [])]
    for index, (first, a) in enumerate(boxes):
        for second, b in boxes[index + 1 :]:
            if _overlap(a, b):
                problems.append(f"figures {first} and {second} overlap")
    for cell in sheet.get("cells", {}):
        area = _cell_box(sheet, cell)
        for figure, box in boxes:
            if _overlap(area, box):
                problems.append(f"figure {figure} covers {sheet['name']}!{cell}")
    return problems


def _cell_box(sheet, cell):
    letters, number = CELL.match(cell).groups()
    col = 0
    for letter in letters:
        col = col * 26 + ord(letter) - 64
    size = {
        "width": sheet["cols"].get(str(col - 1), {}).get("size", 96),
        "height": sheet["rows"].get(str(int(number) - 1), {}).get("size", 23),
    }
    origin = {"x": 0, "y": 0}
    return _box(
        sheet, {"row": int(number) - 1, "col": col - 1, "offset": origin, **size}
    )


def _overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _check_filters(doc):
    problems = []
    filters = {item["id"]: item for item in doc.get("globalFilters", [])}
    present = set(_shows_present(doc))
    linked = {}
    for label, model, matching in sources(doc):
        for key, link in matching.items():
            if key not in filters:
                problems.append(f"{label}: filter {key} does not exist")
            elif (filters[key]["type"] == "date") != (link["type"] in DATE_TYPES):
                problems.append(f"{label}: {link['chain']} is not a field for {key}")
        linked.setdefault(model, []).append((label, set(matching)))
    # A source left out of a filter keeps its figures silently. Only what shows the
    # present may do so, for a period, and all sources of that kind carry the flag.
    for model, items in linked.items():
        wanted = set.union(*(keys for _label, keys in items))
        for label, keys in items:
            for key in wanted - keys:
                if filters.get(key, {}).get("type") == "date" and label in present:
                    continue
                problems.append(f"{label} ({model}): not linked to filter {key}")
    used = {key for items in linked.values() for _label, keys in items for key in keys}
    for key in filters.keys() - used:
        problems.append(f"filter {filters[key]['label']} acts on nothing")
    return problems


def _check_menu_references(doc):
    known = {figure for figure, _data in charts(doc)}
    references = doc.get("chartOdooMenusReferences", {})
    problems = [f"menu of unknown figure {one}" for one in references.keys() - known]
    return problems + [
        f"figure {one} opens nothing" for one in known - references.keys()
    ]


def _shows_present(doc):
    """Yield the labels of the sources that keep to the current KPI values."""
    flag = ["saas_is_latest", "=", True]
    for number, pivot in doc.get("pivots", {}).items():
        if flag in pivot["domain"]:
            yield f"pivot {number}"
    for number, item in doc.get("lists", {}).items():
        if flag in item["domain"]:
            yield f"list {number}"
    for figure, data in charts(doc):
        if flag in data.get("searchParams", {}).get("domain", []):
            yield f"chart {figure}"


def check_schema(doc: dict, get_field, has_menu_action) -> list:
    """Return every problem that shows against the models and menus of a database.

    :param dict doc: the parsed file
    :param get_field: ``get_field(model, name)`` returns ``(type, comodel or None,
        can be grouped and aggregated)`` or None; ``get_field(model, None)`` gives None
        when the model does not exist
    :param has_menu_action: ``has_menu_action(xml id)`` tells whether the menu exists
        and opens something
    """
    problems = []
    for label, model, names in _used_fields(doc):
        if get_field(model, None) is None:
            problems.append(f"{label}: model {model} does not exist")
            continue
        for name, stored in names:
            problems += _check_field(get_field, label, model, name, stored)
    for label, model, matching in sources(doc):
        for link in matching.values():
            found = _follow(get_field, model, link["chain"])
            if found is None:
                problems.append(f"{label}: {model} has no {link['chain']}")
            elif found[0] != link["type"]:
                problems.append(f"{label}: {link['chain']} is a {found[0]}")
    for item in doc.get("globalFilters", []):
        if item["type"] == "relation" and get_field(item["modelName"], None) is None:
            problems.append(f"filter {item['label']}: no model {item['modelName']}")
    problems += [
        f"menu {one} opens nothing" for one in menus(doc) if not has_menu_action(one)
    ]
    return problems


def _follow(get_field, model, path):
    found = None
    for name in path.split("."):
        found = get_field(model, name) if model else None
        if found is None:
            return None
        model = found[1]
    return found


def _check_field(get_field, label, model, name, stored):
    found = _follow(get_field, model, name)
    if found is None:
        return [f"{label}: {model} has no {name}"]
    if stored and not found[2]:
        return [f"{label}: {model}.{name} cannot be grouped or added up"]
    return []


def _domain_fields(domain):
    return [(term[0], False) for term in domain if isinstance(term, list)]


def _used_fields(doc):
    """Yield ``(label, model, [(field path, must be stored)])`` for each source."""
    for number, pivot in doc.get("pivots", {}).items():
        names = [
            (item["fieldName"], True)
            for key in ("measures", "rows", "columns")
            for item in pivot[key]
            if item["fieldName"] != "__count"
        ]
        names += _domain_fields(pivot["domain"])
        yield f"pivot {number}", pivot["model"], names
    for number, item in doc.get("lists", {}).items():
        names = [(name, False) for name in item["columns"]]
        names += [(order["name"], True) for order in item["orderBy"]]
        yield f"list {number}", item["model"], names + _domain_fields(item["domain"])
    for figure, data in charts(doc):
        if not data["type"].startswith("odoo_"):
            continue
        meta = data["metaData"]
        names = [(name.split(":")[0], True) for name in meta["groupBy"]]
        if meta["measure"] != "__count":
            names.append((meta["measure"].split(":")[0], True))
        names += _domain_fields(data["searchParams"]["domain"])
        yield f"chart {figure}", meta["resModel"], names
