"""Imports run one way, and torch stays where training is."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TRAINING = {
    "classifier.training.data_loaders",
    "classifier.training.embedder_export",
    "classifier.training.export",
    "classifier.training.learner",
    "classifier.training.out_of_fold",
    "classifier.training.mixed_precision",
    "classifier.training.linear_probe",
    "classifier.training.distillation",
    "classifier.training.torchvision_shim",
    "classifier.training.loop",
    "classifier.training.process",
    "classifier.training.start_weights",
}
HEAVY = {"torch", "torchvision", "fastai", "timm", "safetensors.torch", "fastcore"}
DOORS = ("admin", "api", "views", "urls", "tasks", "management")
PURE = {
    "curation.download", "curation.images", "curation.hashing", "curation.likeness",
    "curation.search", "curation.splits", "classifier.recipes", "classifier.inference.preprocess",
    "classifier.inference.thresholds", "classifier.inference.class_activation", "classifier.inference.classify", "classifier.jobs.checkpoints",
    "classifier.inference.dynamic_batching",
}  # fmt: skip


def modules() -> dict[str, Path]:
    """Name → file of every module of the project but the migrations."""
    found = {}
    for app in ("curation", "classifier", "shoeproject"):
        for path in (ROOT / app).rglob("*.py"):
            if "migrations" not in path.parts:
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imports(path: Path) -> set[str]:
    """Every module a file imports, at its top or inside its functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def within(name: str, packages) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("name", MODULES)
def test_imports_run_one_way(name):
    imported = imports(MODULES[name])
    if within(name, ["curation"]):
        assert not [i for i in imported if within(i, ["classifier"])]
    if within(name, PURE):
        assert not [i for i in imported if within(i, ["django", "celery", "rest_framework"])]
    app, _, room = name.partition(".")
    if app != "shoeproject" and room.split(".")[0] not in (*DOORS, "apps"):
        doors = [f"{a}.{door}" for a in ("curation", "classifier") for door in DOORS]
        assert not [i for i in imported if within(i, doors)]
    if room.split(".")[0] == "models":
        others = {m for m in MODULES if not within(m, ["curation.models", "classifier.models"])}
        allowed = {"curation.splits", "shoeproject", "shoeproject.jobs"}
        assert not imported & (others - allowed - {"curation", "classifier"})


@pytest.mark.parametrize("name", sorted(set(MODULES) - TRAINING))
def test_torch_is_imported_by_training_alone(name):
    imported = imports(MODULES[name])
    assert not [i for i in imported if within(i, HEAVY)]
    commands = "classifier.management.commands"
    allowed = name in (
        f"{commands}.train", f"{commands}.out_of_fold", f"{commands}.export_embedder"
    )  # fmt: skip
    assert allowed or not [i for i in imported if within(i, TRAINING)]


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
