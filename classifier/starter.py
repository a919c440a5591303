"""The model that comes with the project, where one does."""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

from classifier import promote, store
from classifier.errors import ClassifierError, VersionExists
from classifier.models import Evaluation, ModelVersion
from classifier.predict import CARD, Model

FOLDER = Path(__file__).parent / "starter"


class NeverJudged(ClassifierError):
    """A version without figures is no starter."""

    code = "never_judged"

    def __init__(self, version: ModelVersion):
        super().__init__(
            f"{version} was never judged on its own snapshot; `manage.py evaluate {version.pk} "
            f"--snapshot {version.snapshot}` does it."
        )


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


def export(version: ModelVersion, out: Path, name: str = "", **extra) -> dict:
    """Write a version as a starter to the folder `out` and give back its card.

    Its card is the version's with what a starter cannot look up elsewhere: `test` (snapshot's name
    and digest, and the metrics of the evaluation on it) and `extra` (JSON), such as `out_of_fold`,
    `sizes` and `notes`. Raises NeverJudged, VersionExists, BrokenVersion.
    """
    judged = Evaluation.objects.filter(
        version=version, snapshot=version.snapshot_id, state=Evaluation.State.DONE
    ).first()
    if judged is None:
        raise NeverJudged(version)
    if out.exists():
        raise VersionExists(str(out))
    frozen = {"name": judged.snapshot.name, "digest": judged.snapshot.digest}
    card = {**version.card, "test": {"snapshot": frozen, "metrics": judged.metrics}, **extra}
    card["name"] = name or card["name"]
    folder = store.fetch(version)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        work = Path(scratch) / "version"
        work.mkdir()
        for file in card["files"]:
            shutil.copyfile(folder / file, work / file)
        text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
        (work / CARD).write_text(text, encoding="utf-8")
        Model.load(work)  # as serving will
        work.rename(out)
    return card
