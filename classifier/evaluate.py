"""How good a version is on the locked test split of a snapshot."""

import io
import logging
import math
import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from classifier import store
from classifier.errors import ClassifierError, TooFewPictures
from classifier.models import Evaluation, ModelVersion
from classifier.predict import Model, predict
from curation import ingest, snapshot
from curation.errors import CurationError
from curation.models import Snapshot
from curation.models.image import media_name

logger = logging.getLogger(__name__)
VERDICTS = ("type", "category", "unsure", "not_a_shoe")


class TestImageGone(ClassifierError):
    """A picture of the test split cannot be read any more."""

    code = "test_image_gone"
    # The name starts with "Test"; this keeps pytest from collecting it.
    __test__ = False

    def __init__(self, sha256: str):
        self.sha256 = sha256
        super().__init__(
            f"Test picture {sha256[:12]} is gone from the storage, so this snapshot can no longer "
            "be judged on; freeze a new one."
        )


def ask(version: ModelVersion, frozen: Snapshot, by=None) -> Evaluation:
    """The evaluation of this pair: the one there is, or a new one in the queue.

    One that was cancelled is over for good, so it makes room for a new one.
    """
    cancelled = {"version": version, "snapshot": frozen, "state": Evaluation.State.CANCELLED}
    Evaluation.objects.filter(**cancelled).delete()
    evaluation, new = Evaluation.objects.get_or_create(
        version=version, snapshot=frozen, defaults={"asked_by": by}
    )
    if new:
        evaluation.ring()
    elif evaluation.state in (Evaluation.State.FAILED, Evaluation.State.PAUSED):
        evaluation.resume()
    return evaluation


def run(claim) -> None:
    """Perform an evaluation job."""
    job = claim.job
    model = store.load(job.version)
    lines = [line for line in snapshot.read(job.snapshot) if line.split == "test"]
    if not lines:
        raise TooFewPictures("test", 0, 1)
    predictions = []
    claim.tick(0, len(lines), "test pictures", force=True)
    # Decoding and ONNX Runtime both let go of the interpreter, so threads keep the cores busy.
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        try:
            for prediction in pool.map(lambda line: _predict(line, model), lines):
                predictions.append(prediction)
                claim.tick(len(predictions))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    claim.tick(len(lines), force=True)
    name = f"evaluations/{job.version.digest}/{job.snapshot.digest}.npz"
    storages["models"].save(name, ContentFile(_table(lines, predictions, model)))
    metrics = measure(lines, predictions, model)
    with claim.holding():
        Evaluation.objects.filter(pk=job.pk).update(metrics=metrics, probabilities=name)


def _predict(line, model: Model):
    try:
        with storages["media"].open(media_name(line.stored_sha256)) as file:
            return predict(file.read(), model, ingest.limits())
    except (FileNotFoundError, CurationError) as error:
        raise TestImageGone(line.sha256) from error


def _table(lines, predictions, model: Model) -> bytes:
    """The probabilities of every test image, (N, classes) float32, as a NumPy archive."""
    slugs = [c.slug for c in model.classes]
    out = io.BytesIO()
    np.savez_compressed(
        out,
        sha256=np.array([line.sha256 for line in lines]),
        label=np.array([line.label for line in lines]),
        classes=np.array(slugs),
        probabilities=np.array(
            [[p.probabilities[slug] for slug in slugs] for p in predictions], dtype=np.float32
        ),
    )
    return out.getvalue()


def measure(lines, predictions, model: Model) -> dict:
    """The figures of an evaluation, all shares from 0 to 1.

    `accuracy`, `macro_accuracy`, `top5` and `per_type` are over test images of the types this model
    learnt: the first of its top five against the label, whatever the verdict. `interval` is
    Wilson's 95 % interval of the accuracy (E. B. Wilson, 1927), too narrow where images of one
    group resemble each other. `verdicts` counts what a visitor would have read, by the kind of
    image it was; `answered_right` is the share of verdicts “type” that name the label.
    """
    learnt = {c.slug for c in model.classes if c.kind == "type"}
    per_type, per_source, confusion = defaultdict(_row), defaultdict(_row), defaultdict(int)
    verdicts = {kind: dict.fromkeys(VERDICTS, 0) for kind in ("learnt", "other")}
    top5 = answers = answers_right = 0
    for line, prediction in zip(lines, predictions, strict=True):
        known = line.label in learnt
        verdicts["learnt" if known else "other"][prediction.verdict] += 1
        if prediction.verdict == "type":
            answers += 1
            answers_right += prediction.type[0] == line.label
        if not known:
            continue
        guess = prediction.top[0][0]
        top5 += line.label in [slug for slug, _ in prediction.top]
        for row in (per_type[line.label], per_source[line.source or "unknown"]):
            row["images"] += 1
            row["right"] += guess == line.label
            row["groups"].add(line.group or line.sha256)
        if guess != line.label:
            confusion[line.label, guess] += 1
    images = sum(row["images"] for row in per_type.values())
    right = sum(row["right"] for row in per_type.values())
    shares = [row["right"] / row["images"] for row in per_type.values()]
    return {
        "images": images,
        "right": right,
        "accuracy": right / images if images else 0.0,
        "interval": wilson(right, images),
        "macro_accuracy": sum(shares) / len(shares) if shares else 0.0,
        "top5": top5 / images if images else 0.0,
        "per_type": {slug: _plain(row) for slug, row in sorted(per_type.items())},
        "per_source": {source: _plain(row) for source, row in sorted(per_source.items())},
        "confusion": [
            [label, guess, number]
            for (label, guess), number in sorted(confusion.items(), key=lambda c: (-c[1], c[0]))
        ],
        "verdicts": verdicts,
        "answered_right": answers_right / answers if answers else None,
    }


def _row() -> dict:
    return {"images": 0, "right": 0, "groups": set()}


def _plain(row: dict) -> dict:
    return {**row, "groups": len(row["groups"]), "accuracy": row["right"] / row["images"]}


def wilson(right: int, n: int, z: float = 1.96) -> list[float]:
    """Wilson's score interval of `right` out of `n`; [0, 1] for none."""
    if not n:
        return [0.0, 1.0]
    share = right / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return [(centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)]
