"""The model that comes with the project, where one does."""

import hashlib
import json
from pathlib import Path

from classifier import promote, store
from classifier.models import ModelVersion
from classifier.predict import CARD

FOLDER = Path(__file__).parent / "starter"


def register(folder: Path = FOLDER) -> ModelVersion | None:
    """Make the starter a version, and the active one where there is none; None without a starter.

    Done twice it changes nothing.
    """
    path = folder / CARD
    if not path.exists():
        return None
    card = json.loads(path.read_text(encoding="utf-8"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    version = ModelVersion.objects.filter(digest=digest).first()
    if version is None:
        store.put(folder, card)
        version, _ = ModelVersion.objects.get_or_create(
            digest=digest, defaults={"name": card["name"], "card": card}
        )
    if not ModelVersion.objects.filter(active=True).exists():
        promote.promote(version, why="The model that came with the project")
    return version
