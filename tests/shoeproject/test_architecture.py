"""Imports run one way, the pure rooms stay pure, and torch stays where training is."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

import pytest
from django.conf import settings

ROOT = settings.BASE_DIR
APPS = ("curation", "classifier", "shoeproject")
TRAINING = "classifier.training"
TORCH = {"torch", "torchvision", "fastai", "timm", "safetensors.torch", "fastcore"}
# They start the process that trains, or are it.
MAY_TRAIN = {f"classifier.management.commands.{name}" for name in
             ("train", "out_of_fold", "export_embedder")}  # fmt: skip
# What parses, calls one function and renders: nothing below imports these.
DOORS = {"admin", "api", "views", "urls", "tasks", "management"}
# They know neither ORM nor settings: bytes, paths and numbers in, the same out.
PURE = {
    "curation.download", "curation.images", "curation.search", "curation.splits",
    "curation.similarity.perceptual_hash", "curation.similarity.registration",
    "curation.snapshots.compare", "curation.issues.reasons",
    "curation.issues.new_finding", "shoeproject.batches", "curation.reports.intervals",
    "classifier.answers.wording", "classifier.inference", "classifier.recipes",
    "classifier.evaluation.calibration",
    "classifier.evaluation.metrics", "shoeproject.storage.files",
    "classifier.assess.features", "classifier.assess.find_issues", "classifier.assess.images",
    "classifier.assess.label_issues", "classifier.assess.near_duplicates",
    "classifier.assess.outliers", "classifier.assess.projection", "classifier.assess.quality",
}  # fmt: skip
FRAMEWORKS = {"django", "celery", "rest_framework"}
# Models keep to tables: of the project they know each other, jobs, and the rule of the splits.
BELOW_MODELS = {"curation.models", "classifier.models", "curation.splits", "shoeproject.jobs"}
# Imports within functions → why they are not at the top. A line each; the module is the key.
WITHIN_FUNCTIONS = {
    "classifier.apps": "models are not there before the apps are",
    "curation.apps": "models are not there before the apps are",
    "shoeproject.apps": "models are not there before the apps are",
    "shoeproject.up.__main__": "says in words that a package is missing",
    "classifier.tasks": "what fits classifiers takes seconds to load, and the web loads the tasks",
    "classifier.management.commands.assess": "as classifier.tasks",
    "classifier.management.commands.train": "torch, which only the process that trains needs",
    "classifier.management.commands.out_of_fold": "torch, when the work begins",
    "classifier.management.commands.export_embedder": "torch, in the process that exports",
    "classifier.training.start_weights": "only where a network may be asked",
    "classifier.exports.space_app": "Gradio is there only where the Space runs",
}


def modules() -> dict:
    """Name → syntax tree of every module of the project but the migrations."""
    found = {}
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            if "migrations" not in path.parts:
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                found[name.removesuffix(".__init__")] = ast.parse(path.read_text(encoding="utf-8"))
    return found


MODULES = modules()


def imports(tree: ast.AST) -> set[str]:
    """What a module imports, at its top or within functions; of the project, whole module names."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their module in full"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (whole & MODULES.keys()) or {node.module}
            found |= {node.module} if whole - MODULES.keys() else set()
            found |= whole & TORCH
    return found


IMPORTS = {name: imports(tree) for name, tree in MODULES.items()}


def within(name: str, packages) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def imported(name: str, packages) -> list[str]:
    """What of `packages` a module imports."""
    return sorted(other for other in IMPORTS[name] if within(other, packages))


def room(name: str) -> str:
    """The first folder or module below the app."""
    return name.partition(".")[2].partition(".")[0]


def offenders(names, wrong) -> dict[str, list[str]]:
    """Module → what it imports and must not, for those of `names` that import such a thing."""
    return {name: found for name in names if (found := wrong(name))}


def test_apps_import_one_way():
    above = {"curation": ["classifier"], "shoeproject": ["classifier", "curation"]}
    assert not offenders(MODULES, lambda name: imported(name, above.get(name.split(".")[0], [])))


def test_pure_rooms_know_no_framework_and_no_room_that_does():
    pure = [name for name in MODULES if within(name, PURE)]
    known = {
        *PURE, "curation.errors", "classifier.errors", "shoeproject.errors", "shoeproject.parallel",
    }  # fmt: skip
    assert not offenders(pure, lambda name: imported(name, FRAMEWORKS))
    assert not offenders(
        pure, lambda name: [other for other in imported(name, APPS) if not within(other, known)]
    )


def test_work_knows_no_door():
    doors = [f"{app}.{door}" for app in ("curation", "classifier") for door in DOORS]
    work = [
        name
        for name in MODULES
        if room(name) not in DOORS | {"apps"} and not name.startswith("shoeproject")
    ]
    assert not offenders(work, lambda name: imported(name, doors))


def test_models_know_tables_alone():
    models = [name for name in MODULES if room(name) == "models"]
    assert not offenders(
        models,
        lambda name: [o for o in imported(name, APPS) if not within(o, BELOW_MODELS)],
    )


def test_torch_is_imported_by_training_alone():
    others = [name for name in MODULES if not within(name, [TRAINING])]
    assert not offenders(others, lambda name: imported(name, TORCH))
    assert not offenders(set(others) - MAY_TRAIN, lambda name: imported(name, [TRAINING]))


def test_no_modules_import_each_other_in_a_circle():
    graph = {name: {o for o in found if o in MODULES} for name, found in IMPORTS.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' → '.join(error.args[1])}")


def test_imports_stand_at_the_top_or_in_the_list_of_exceptions():
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    found = {
        name
        for name, tree in MODULES.items()
        for function in ast.walk(tree)
        if isinstance(function, functions)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert found == set(WITHIN_FUNCTIONS)


@pytest.mark.parametrize("what", ["shoeproject.wsgi", "classifier.tasks curation.tasks"])
def test_web_and_short_workers_load_no_torch(what):
    code = (
        "import sys, importlib, django; django.setup()\n"
        f"for name in {what.split()!r}: importlib.import_module(name)\n"
        "from django.urls import get_resolver; get_resolver().url_patterns\n"
        "print(sorted({'torch', 'torchvision', 'fastai', 'timm'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
