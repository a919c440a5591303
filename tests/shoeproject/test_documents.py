"""The documents name files and functions that exist, so that a rename cannot leave them behind."""

import ast
import re
from functools import cache

import pytest
from django.conf import settings

ROOT = settings.BASE_DIR
APPS = ("classifier", "curation", "shoeproject")
DOCUMENTS = ["README.md", "CONTRIBUTING.md", *(f"docs/{f.name}" for f in (ROOT / "docs").glob("*"))]
# A path in backquotes, alone or with what it defines: `curation/splits.py:split_of`.
NAMED = re.compile(r"`((?:[\w.*-]+/)+[\w.*-]*|[\w-]+\.(?:py|md|txt|toml|yml))(?::([\w.]+))?`")
CODE = re.compile(r"`([A-Za-z_][\w.]*)`")
# Written while the project runs, or by what it exports.
MADE = ("var/", ".venv/", "model/", "photos/", "application/", "text/", "image/", "shoes/")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")


def find(name: str) -> list:
    """Files or folders of this name: from the root, beside the documents, or within the apps."""
    places = [ROOT.glob(name), ROOT.glob(f"docs/{name}")]
    places += [(ROOT / app).rglob(name) for app in APPS]
    return [path for place in places for path in place]


@cache
def definitions(path) -> set[str]:
    """Names that a Python file defines: functions, classes, `Class.method`, constants."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{m.name}" for m in node.body if isinstance(m, ast.FunctionDef)}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            found |= {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    return found


@cache
def identifiers() -> set[str]:
    """Every name that the product's code defines or uses."""
    found = set()
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            found |= set(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_and_functions_named_in_documents_exist(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    missing = []
    for name, definition in NAMED.findall(text):
        if name.startswith(MADE):
            continue
        files = find(name.rstrip("/"))
        if not files or (definition and definition not in definitions(files[0])):
            missing.append(f"{name}:{definition}")
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_between_documents_lead_somewhere(document):
    here = (ROOT / document).parent
    links = LINK.findall((ROOT / document).read_text(encoding="utf-8"))
    assert not [link for link in links if not (here / link).exists()]


def test_identifiers_of_the_glossary_are_in_the_code():
    rows = re.findall(r"^\|[^|]*\|([^|]*)\|", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
    names = {part for row in rows for name in CODE.findall(row) for part in name.split(".")}
    missing = names - identifiers()
    assert names and not missing
