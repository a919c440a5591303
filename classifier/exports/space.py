"""A Hugging Face Space that answers with a version of this installation."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version as installed
from pathlib import Path

from django.conf import settings
from django.template.loader import render_to_string

from classifier.answers import answer, learnt_types
from classifier.exports import folder
from classifier.inference.card import CARD
from classifier.inference.thresholds import TYPE, ClassInfo
from classifier.models import ModelVersion
from classifier.registry import lookup, stored
from curation import ingest
from curation.taxonomy.guide import Guide

APP = Path(__file__).with_name("space_app.py")
# The modules copied into the Space: they need neither Django nor a database.
CODE = [
    "classifier/answers/wording.py", "classifier/errors.py",
    "classifier/inference/card.py", "classifier/inference/classify.py",
    "classifier/inference/model.py", "classifier/inference/onnx_session.py",
    "classifier/inference/preprocess.py", "classifier/inference/thresholds.py",
    "curation/errors.py", "curation/images/*.py",
    "shoeproject/errors.py", "shoeproject/storage/files.py",
]  # fmt: skip
INIT = b'"""Copied from Shoe Type Recognizer by export_space; changed there, not here."""\n'
GRADIO = "6.31.0"
PILLOW = "12.3.0"  # Gradio takes no later major version yet
PINNED_AS_INSTALLED = ["numpy", "onnxruntime", "pillow-heif"]
# Files that a Space's repository takes only through Git LFS once they are large.
LFS = ["*.onnx", "*.safetensors", "*.npy"]


def export(out: Path, ref: str = "active", force: bool = False, progress=None) -> ModelVersion:
    """Write the Space of the version that `ref` names into the folder `out`; returns the version.

    `progress(done, of)` is called after each file. Raises VersionNotFound, BrokenVersion,
    FolderNotEmpty, FolderUnusable.
    """
    folder.check(out, force)
    version = lookup.find(ref)
    model = stored.load(version)  # raises what the Space would raise
    stored_files = stored.fetch(version)
    about = {"version": version, "notes": version.card.get("notes", []), "gradio": GRADIO}
    requirements = {
        "gradio": GRADIO,
        "pillow": PILLOW,
        **{name: installed(name) for name in PINNED_AS_INSTALLED},
    }
    guide = json.dumps(_guide(version, model.classes), indent=1, ensure_ascii=False)
    files = {
        **{f"model/{name}": stored_files / name for name in [*version.card["files"], CARD]},
        **_code(),
        "guide.json": f"{guide}\n".encode(),
        "requirements.txt": _lines(f"{name}=={release}" for name, release in requirements.items()),
        ".gitattributes": _lines(f"{name} filter=lfs diff=lfs merge=lfs -text" for name in LFS),
        "LICENSE": settings.BASE_DIR / "LICENSE",
        "README.md": render_to_string("exports/space/README.md", about).encode(),
        "app.py": APP,
    }
    folder.write(out, files, force, progress)
    return version


def _code() -> dict[str, bytes | Path]:
    root = settings.BASE_DIR
    paths = [path for pattern in CODE for path in sorted(root.glob(pattern))]
    copied = {str(path.relative_to(root)): path for path in paths}
    packages = {folder for name in copied for folder in Path(name).parents} - {Path()}
    return {**{f"{folder}/__init__.py": INIT for folder in packages}, **copied}


def _guide(version: ModelVersion, classes: tuple[ClassInfo, ...]) -> dict:
    """What space_app's `guide` reads."""
    guide = Guide()
    today = learnt_types.today(guide, classes)
    categories = {info.slug: info.category for info in today if info.kind == TYPE}
    return {
        "model": str(version),
        "classes": {learnt.slug: asdict(now) for learnt, now in zip(classes, today, strict=True)},
        "types": {slug: _text(slug, category, guide) for slug, category in categories.items()},
        "categories": {slug: answer.family(slug, 0, guide)["name"] for slug in categories.values()},
        "limits": asdict(ingest.limits()),
    }


def _text(slug: str, category: str, guide: Guide) -> dict:
    entry = answer.with_text(answer.entry(slug, 0, guide), guide)
    entry["category"] = category
    return {key: entry[key] for key in ("name", "pros", "cons", "distinction", "category")}


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
