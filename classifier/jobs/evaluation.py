"""Evaluate a version on the locked test split of a snapshot."""

import io

import numpy as np
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from classifier.errors import ClassifierError, TooFewPictures
from classifier.evaluation.metrics import measure
from classifier.inference.classify import predict
from classifier.inference.model import Model
from classifier.models import Evaluation, ModelVersion
from classifier.registry import stored
from curation import ingest
from curation.errors import CurationError
from curation.models import Snapshot
from curation.models.image import media_name
from curation.snapshots import manifest
from shoeproject.parallel import map_in_threads


class TestImageGone(ClassifierError):
    """A picture of the test split cannot be read any more."""

    sha256: str
    code = "test_image_gone"
    message = (
        "Test picture {sha256:.12} is gone from the storage, so this snapshot can no longer "
        "be judged on; freeze a new one."
    )
    # The name starts with "Test"; this keeps pytest from collecting it.
    __test__ = False


def ask(version: ModelVersion, frozen: Snapshot, by=None) -> Evaluation:
    """Queue the evaluation of this pair, or return the existing one; a failed or paused one is
    resumed, a cancelled one replaced."""
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
    model = stored.load(job.version)
    lines = [line for line in manifest.read(job.snapshot) if line.split == "test"]
    if not lines:
        raise TooFewPictures("test", 0, 1)
    claim.tick(0, len(lines), "test pictures", force=True)
    # Decoding and ONNX Runtime both release the interpreter lock, so threads keep the cores busy.
    predictions = list(map_in_threads(lambda line: _predict(line, model), lines, claim.tick))
    claim.tick(len(lines), force=True)
    name = f"evaluations/{job.version.digest}/{job.snapshot.digest}.npz"
    storages["models"].save(name, ContentFile(_archive(lines, predictions, model)))
    metrics = measure(lines, predictions, model.classes)
    with claim.transaction():
        Evaluation.objects.filter(pk=job.pk).update(metrics=metrics, probabilities=name)


def _predict(line, model: Model):
    try:
        with storages["media"].open(media_name(line.stored_sha256)) as file:
            return predict(file.read(), model, ingest.limits())
    except (FileNotFoundError, CurationError) as error:
        raise TestImageGone(line.sha256) from error


def _archive(lines, predictions, model: Model) -> bytes:
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
