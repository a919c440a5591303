"""The starter: the model that comes with the project, where one does."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from classifier.errors import ClassifierError, VersionExists
from classifier.inference.card import CARD, write_card
from classifier.inference.model import Model
from classifier.models import Evaluation, ModelVersion
from classifier.registry import promote, stored
from curation.models import Snapshot
from shoeproject.storage.files import sha256_of, written_beside

FOLDER = Path(__file__).resolve().parents[1] / "starter"


class NeverJudged(ClassifierError):
    """A version without an evaluation cannot become a starter."""

    version: ModelVersion
    frozen: Snapshot
    code = "never_judged"
    message = (
        "{version} was never judged on snapshot “{frozen}”; "
        "`manage.py evaluate {version.pk} --snapshot {frozen}` does it."
    )


def register(folder: Path = FOLDER) -> ModelVersion | None:
    """Make the starter a version, and the active one where there is none; None without a starter.

    A second call changes nothing.
    """
    path = folder / CARD
    if not path.exists():
        return None
    card = json.loads(path.read_text(encoding="utf-8"))
    digest = sha256_of(path)
    version = ModelVersion.objects.filter(digest=digest).first()
    if version is None:
        stored.put(folder, card)
        version, _ = ModelVersion.objects.get_or_create(
            digest=digest, defaults={"name": card["name"], "card": card}
        )
    if not ModelVersion.objects.filter(active=True).exists():
        promote.promote(version, why="The model that came with the project")
    return version


def arch() -> str | None:
    """The starter's network; None without a starter."""
    path = FOLDER / CARD
    return json.loads(path.read_text(encoding="utf-8"))["arch"] if path.exists() else None


def export(
    version: ModelVersion, out: Path, name: str = "", compared: Sequence[ModelVersion] = (), **extra
) -> dict:
    """Write a version as a starter to the folder `out`; returns its card.

    That is the version's card with what a starter cannot look up elsewhere: `test` (the snapshot's
    name and digest, and the metrics of the evaluation on it), `compared` (the figures of other
    versions on the same snapshot), and `extra` (JSON), such as `out_of_fold`, `sizes` and `notes`.
    Raises NeverJudged, VersionExists, BrokenVersion.
    """
    if out.exists():
        raise VersionExists(str(out))
    frozen, metrics = version.snapshot, _metrics(version, version.snapshot)
    card = {
        **version.card,
        "name": name or version.card["name"],
        "test": {"snapshot": {"name": frozen.name, "digest": frozen.digest}, "metrics": metrics},
        "compared": [_compared(other, _metrics(other, frozen)) for other in compared],
        **extra,
    }
    folder = stored.fetch(version)
    with written_beside(out) as beside:
        beside.mkdir()
        for file in card["files"]:
            shutil.copyfile(folder / file, beside / file)
        write_card(card, beside)
        Model.load(beside)  # as serving will
    return card


def _metrics(version: ModelVersion, frozen: Snapshot) -> dict:
    judged = Evaluation.objects.filter(
        version=version, snapshot=frozen, state=Evaluation.State.DONE
    ).first()
    if judged is None:
        raise NeverJudged(version, frozen)
    return judged.metrics


def _compared(version: ModelVersion, metrics: dict) -> dict:
    kept = ("images", "accuracy", "interval", "macro_accuracy", "category_accuracy", "ece")
    newer = ("coverage", "answers")  # old evaluations lack them
    return {
        "name": version.name,
        "arch": version.card["arch"],
        "size": version.card["preprocess"]["size"],
        "precision": version.card["precision"],
        **{key: metrics[key] for key in kept},
        **{key: metrics[key] for key in newer if key in metrics},
        "judged": metrics["judged"],
        "per_scene": metrics["per_scene"],
    }
