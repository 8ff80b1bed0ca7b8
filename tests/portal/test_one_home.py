"""What has one place in the code, so that a second copy can't grow beside it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def product():
    """Return the product's Python files but for the migrations, which keep what was."""
    files = [*(ROOT / "keys_app").rglob("*.py"), *(ROOT / "portal").rglob("*.py")]
    return [file for file in files if "migrations" not in file.parts]


def test_rows_are_locked_in_one_place():
    assert [file.name for file in product() if ".select_for_update(" in file.read_text()] == ["db.py"]


def test_the_ledger_is_written_to_in_one_place():
    assert [file.name for file in product() if "ledger.append(" in file.read_text()] == ["record.py"]


def test_moments_are_written_in_one_place():
    writes = re.compile(r"\.isoformat\(|strftime\(|:%Y")
    assert [file.name for file in product() if writes.search(file.read_text())] == ["times.py"]


WRITERS = {"update", "update_or_create", "get_or_create", "create", "bulk_create", "compare_and_swap",
           "KeyRequest", "ApiKey", "Issuance"}  # fmt: skip


def is_state(node):
    return isinstance(node, ast.Constant) and node.value == "state"


def sets_state(node):
    """Tell whether a piece of code sets a `state`: an attribute of that name, or a keyword of what writes rows."""
    if isinstance(node, ast.Attribute):
        return node.attr == "state" and isinstance(node.ctx, ast.Store)
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        by_name = name in ("setattr", "bulk_update") and any(is_state(one) for one in ast.walk(node))
        return by_name or (name in WRITERS and any(word.arg == "state" for word in node.keywords))
    return False


def names_state(node):
    """Tell whether a piece of code puts a `state` into a dict, which may be passed on to what writes rows."""
    stored = isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and is_state(node.slice)
    return stored or (isinstance(node, ast.Dict) and any(is_state(key) for key in node.keys))


def passes_a_dict_on(node):
    name = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
    return name in WRITERS and any(word.arg is None for word in node.keywords)


def writes_state(text):
    nodes = list(ast.walk(ast.parse(text)))
    passed_on = any(names_state(node) for node in nodes) and any(passes_a_dict_on(node) for node in nodes)
    return passed_on or any(sets_state(node) for node in nodes)


@pytest.mark.parametrize(
    "text",
    [
        "key.state = 'active'",
        "rows.update(state=to)",
        "compare_and_swap(key, q, state=to)",
        "values |= {'state': to}\nrows.update(**values)",
        "values['state'] = to\ncompare_and_swap(key, q, **values)",
        "setattr(key, 'state', to)",
        "rows.bulk_update(keys, ['state'])",
        "ApiKey(state=to)",
    ],
)
def test_a_writer_of_states_is_found(text):
    assert writes_state(text)


def test_states_are_written_in_one_place_each():
    found = {file.name for file in product() if writes_state(file.read_text())}
    assert found == {"states.py", "issuance.py"}


def test_each_feature_has_one_place_that_knows_which_database_it_is():
    """What the schema and its triggers are differs; the rest asks `keys_app.core.db`."""
    schema = {"triggers.py", "schema.py"}
    commands = {"postgresql_roles.py"}
    asking = {file.name for file in product() if re.search(r"\b\w+(\[\w+\])?\.vendor\b", file.read_text())}
    assert asking == {"db.py", *schema, *commands}


def test_templates_write_moments_in_one_way():
    templates = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "templates").rglob("*.txt")]
    assert templates
    beside = re.compile(r"\|(date|time|timesince|timeuntil|day|minute|second|since|until)\b|<time\b")
    assert [file.name for file in templates if beside.search(file.read_text())] == []


def test_pages_write_moments_in_one_way():
    """With the reader's zone, and UTC on hover: what builds HTML asks `moments` for it."""
    asks = re.compile(r"get_current_timezone\(|<time")
    assert [file.name for file in product() if asks.search(file.read_text())] == ["moments.py"]


def test_no_two_classes_bear_one_name():
    """But for a model's `Meta` and a command's `Command`, which Django wants to be called so."""
    classes = [
        node.name
        for file in product()
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name != "Command"
    ]
    assert {name for name in classes if classes.count(name) > 1} == set()


def test_no_rows_are_read_through_a_cursor_that_outlives_a_transaction():
    """PgBouncer may give the next one another connection: `in_batches` of `core/db.py` reads many rows."""
    assert [file.name for file in product() if ".iterator(" in file.read_text()] == []
