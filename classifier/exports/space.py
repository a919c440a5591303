"""A Hugging Face Space that answers with a version of this installation."""

import json
from dataclasses import asdict
from importlib.metadata import version as installed
from pathlib import Path

from django.conf import settings
from django.template.loader import render_to_string

from classifier.answers import answer
from classifier.exports import folder
from classifier.inference.classify import CARD
from classifier.models import ModelVersion
from classifier.registry import promote, store
from curation import ingest
from curation.taxonomy.guide import Guide

APP = Path(__file__).with_name("space_app.py")
# The recogniser's own modules, copied as they are: they know neither Django nor a database.
CODE = [
    "classifier/errors.py", "classifier/inference/classify.py",
    "classifier/inference/preprocess.py", "classifier/inference/thresholds.py",
    "curation/errors.py", "curation/images/*.py", "shoeproject/errors.py",
]  # fmt: skip
PACKAGES = ["classifier", "classifier/inference", "curation", "shoeproject"]
MARK = b'"""Copied from Shoe Type Recognizer by export_space; changed there, not here."""\n'
GRADIO = "6.31.0"
PILLOW = "12.3.0"  # Gradio takes no later major version yet
AS_HERE = ["numpy", "onnxruntime", "pillow-heif"]
# What a Space's repository takes only through Git LFS once it is large.
LARGE = ["*.onnx", "*.safetensors", "*.npy"]


def export(out: Path, ref: str = "active", force: bool = False, progress=None) -> ModelVersion:
    """Write the Space of the version that `ref` names into the folder `out`; returns the version.

    `progress(done, of)` is told of each file. Raises VersionNotFound, NoActiveModel, BrokenVersion,
    FolderNotEmpty, FolderUnusable.
    """
    folder.check(out, force)
    version = promote.find(ref)
    store.load(version)  # as serving will: what does not load here does not there
    model = store.fetch(version)
    about = {"version": version, "notes": version.card.get("notes", []), "gradio": GRADIO}
    files = {
        **{f"model/{name}": model / name for name in [*version.card["files"], CARD]},
        **_code(),
        "guide.json": _json(_guide(version)),
        "requirements.txt": _requirements(),
        ".gitattributes": _attributes(),
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
    return {**{f"{name}/__init__.py": MARK for name in PACKAGES}, **copied}


def _guide(version: ModelVersion) -> dict:
    """What space_app's `guide` reads."""
    guide = Guide()
    classes = {row["slug"]: _stands_for(row, guide) for row in version.card["classes"]}
    learnt = [row for row in classes.values() if row["kind"] == "type"]
    named = {row["slug"]: row["category"] for row in learnt}
    return {
        "model": str(version),
        "classes": classes,
        "types": {slug: _text(slug, category, guide) for slug, category in named.items()},
        "categories": {slug: answer.family(slug, 0, guide)["name"] for slug in named.values()},
        "wording": answer.WORDING,
        "likely": answer.LIKELY,
        "limits": asdict(ingest.limits()),
    }


def _stands_for(learnt: dict, guide: Guide) -> dict:
    """The class as the guide has it today: what merged stands under the type that took it."""
    row = guide.survivor(learnt["slug"])
    if row is None:
        return {key: learnt[key] for key in ("slug", "kind", "category")}
    return {
        "slug": row.slug,
        "kind": row.kind,
        "category": row.category.slug if row.category else "",
    }


def _text(slug: str, category: str, guide: Guide) -> dict:
    entry = answer.with_text(answer.entry(slug, 0, guide), guide)
    kept = {key: entry[key] for key in ("name", "pros", "cons", "distinction")}
    return {**kept, "category": category}


def _json(data: dict) -> bytes:
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()


def _requirements() -> bytes:
    pinned = [f"gradio=={GRADIO}", f"pillow=={PILLOW}"]
    pinned += [f"{name}=={installed(name)}" for name in AS_HERE]
    return ("\n".join(pinned) + "\n").encode()


def _attributes() -> bytes:
    return "".join(f"{name} filter=lfs diff=lfs merge=lfs -text\n" for name in LARGE).encode()
