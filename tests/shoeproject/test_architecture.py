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
# Commands that start the training process or run in it.
MAY_TRAIN = {f"classifier.management.commands.{name}" for name in
             ("train", "out_of_fold", "export_embedder")}  # fmt: skip
# Modules that parse, call one function and render; nothing else imports them.
ENTRY_POINTS = {"admin", "api", "views", "urls", "tasks", "management"}
# Modules without ORM and settings: they take bytes, paths and numbers, and return the same.
PURE = {
    "curation.download", "curation.images", "curation.search", "curation.splits",
    "curation.similarity.perceptual_hash", "curation.similarity.registration",
    "curation.snapshots.compare", "curation.issues.reasons",
    "curation.issues.new_finding", "shoeproject.batches", "curation.reports.intervals",
    "classifier.answers.wording", "classifier.inference", "classifier.recipes",
    "classifier.evaluation.calibration",
    "classifier.evaluation.metrics", "shoeproject.storage.files",
    "classifier.assess.feature_arrays", "classifier.assess.features",
    "classifier.assess.find_issues", "classifier.assess.images",
    "classifier.assess.label_issues", "classifier.assess.near_duplicates",
    "classifier.assess.outliers", "classifier.assess.projection", "classifier.assess.quality",
}  # fmt: skip
FRAMEWORKS = {"django", "celery", "rest_framework"}
# What models may import of the project: each other, jobs, and the rule of the splits.
BELOW_MODELS = {"curation.models", "classifier.models", "curation.splits", "shoeproject.jobs"}
# Modules with imports within functions → why these are not at the top.
WITHIN_FUNCTIONS = {
    "classifier.apps": "models cannot be imported before the apps are loaded",
    "curation.apps": "models cannot be imported before the apps are loaded",
    "shoeproject.apps": "models cannot be imported before the apps are loaded",
    "shoeproject.up.__main__": "Django has to be set up first",
    "classifier.tasks": "scikit-learn and the like load slowly, and the web imports the tasks",
    "classifier.management.commands.assess": "as classifier.tasks",
    "classifier.management.commands.train": "torch, which only the process that trains needs",
    "classifier.management.commands.out_of_fold": "torch, when the work begins",
    "classifier.management.commands.export_embedder": "torch, in the process that exports",
    "classifier.training.start_weights": "only where a network may be asked",
    "classifier.exports.space_app": "Gradio is installed only where the Space runs",
}


def modules() -> dict:
    """Name → syntax tree of every module of the project but the migrations."""
    trees = {}
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            if "migrations" not in path.parts:
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                trees[name.removesuffix(".__init__")] = ast.parse(path.read_text(encoding="utf-8"))
    return trees


MODULES = modules()


def imports(tree: ast.AST) -> set[str]:
    """Return what a module imports, also within functions; modules of the project by full name."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their module in full"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= (whole & MODULES.keys()) or {node.module}
            names |= {node.module} if whole - MODULES.keys() else set()
            names |= whole & TORCH
    return names


IMPORTS = {name: imports(tree) for name, tree in MODULES.items()}


def within(name: str, packages) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def imported(name: str, packages) -> list[str]:
    """Return the imports of a module that are within `packages`."""
    return sorted(other for other in IMPORTS[name] if within(other, packages))


def room(name: str) -> str:
    """Return the first folder or module below the app."""
    return name.partition(".")[2].partition(".")[0]


def offenders(names, forbidden) -> dict[str, list[str]]:
    """Return module → its forbidden imports, for those of `names` that have any."""
    return {name: wrong for name in names if (wrong := forbidden(name))}


def test_apps_import_one_way():
    above = {"curation": ["classifier"], "shoeproject": ["classifier", "curation"]}
    assert not offenders(MODULES, lambda name: imported(name, above.get(name.split(".")[0], [])))


def test_pure_modules_import_no_framework_and_only_pure_modules():
    pure = [name for name in MODULES if within(name, PURE)]
    known = {
        *PURE, "curation.errors", "classifier.errors", "shoeproject.errors", "shoeproject.parallel",
    }  # fmt: skip
    assert not offenders(pure, lambda name: imported(name, FRAMEWORKS))
    assert not offenders(
        pure, lambda name: [other for other in imported(name, APPS) if not within(other, known)]
    )


def test_stage_modules_import_no_entry_points():
    entry_points = [f"{app}.{name}" for app in ("curation", "classifier") for name in ENTRY_POINTS]
    work = [
        name
        for name in MODULES
        if room(name) not in ENTRY_POINTS | {"apps"} and not name.startswith("shoeproject")
    ]
    assert not offenders(work, lambda name: imported(name, entry_points))


def test_models_import_only_models_jobs_and_splits():
    models = [name for name in MODULES if room(name) == "models"]
    assert not offenders(
        models,
        lambda name: [o for o in imported(name, APPS) if not within(o, BELOW_MODELS)],
    )


def test_only_training_imports_torch():
    others = [name for name in MODULES if not within(name, [TRAINING])]
    assert not offenders(others, lambda name: imported(name, TORCH))
    assert not offenders(set(others) - MAY_TRAIN, lambda name: imported(name, [TRAINING]))


def test_there_are_no_circular_imports():
    graph = {name: {o for o in names if o in MODULES} for name, names in IMPORTS.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' → '.join(error.args[1])}")


def test_imports_are_at_the_top_or_in_the_list_of_exceptions():
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    within_functions = {
        name
        for name, tree in MODULES.items()
        for function in ast.walk(tree)
        if isinstance(function, functions)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert within_functions == set(WITHIN_FUNCTIONS)


@pytest.mark.parametrize("what", ["shoeproject.wsgi", "classifier.tasks curation.tasks"])
def test_web_and_short_workers_load_no_torch(what):
    assert loaded(what, {"torch", "torchvision", "fastai", "timm"}) == "[]"


@pytest.mark.parametrize("what", ["shoeproject.wsgi", "classifier.tasks curation.tasks"])
def test_web_and_short_workers_start_without_the_libraries_that_assess(what):
    assert loaded(what, {"cleanlab", "cleanvision", "pandas", "scipy", "sklearn"}) == "[]"


def loaded(modules: str, libraries: set[str]) -> str:
    """Return which of `libraries` a process has loaded that has imported these modules."""
    code = (
        "import sys, importlib, django; django.setup()\n"
        f"for name in {modules.split()!r}: importlib.import_module(name)\n"
        "from django.urls import get_resolver; get_resolver().url_patterns\n"
        f"print(sorted({libraries!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    return done.stdout.strip() or done.stderr
