"""Perform an assessment: compute the features of every picture, find issues, publish them.

Features are computed in chunks, which other workers may share and a resumed run does not repeat.
Issues are found among all images together; until they are published, the findings of the run before
count.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
from django.conf import settings
from django.utils import timezone

from classifier.assess import feature_store, features, outliers, quality
from classifier.assess.feature_arrays import FeatureArrays
from classifier.assess.find_issues import FoundIssues, find_issues
from classifier.assess.images import Images
from classifier.errors import ClassifierError
from classifier.inference.embedding import Embedder
from classifier.jobs import chunks, pretrained_embedder
from classifier.models import ModelVersion, PretrainedEmbedder
from classifier.registry import stored
from curation.issues import findings, write
from curation.models import Assessment, AssessRun, ShoeImage
from curation.snapshots import manifest
from curation.splits import Split
from shoeproject.batches import batches
from shoeproject.jobs import Claim, Postponed, State

TOP = 5
# Computing features is the first half of a run's progress. Of the second half: from where to where
# each step of finding issues goes, and where writing begins.
STEPS = {"possible copies": (0.0, 0.15), "copies": (0.0, 0.45), "labels": (0.45, 0.8)}
WRITING = 0.8


class NoModel(ClassifierError):
    """No version is active, so there is no embedder."""

    code = "no_model"
    status = 503
    retry_after = 60
    message = (
        "No version is active, so nothing can look at the images. Promote one, or assess with "
        "pretrained weights (`manage.py assess --embedding pretrained`)."
    )


class Superseded(ClassifierError):
    """A later run was published already."""

    code = "superseded"
    message = "A later assessment counts already; ask for a new one instead."


class EmbedderFailed(ClassifierError):
    """The pretrained weights of the run could not be exported."""

    why: str
    code = "embedder_failed"
    message = "The pretrained weights could not be exported: {why}"


def run(claim: Claim) -> None:
    """Perform an assess job."""
    if (findings.current_run() or 0) > claim.pk:
        raise Superseded
    _wait_for_earlier_runs(claim.job)
    embedder = load_embedder(claim.job, claim)
    run, started = claim.job, time.monotonic()
    planned = feature_store.plan(run)
    total = len(planned.image)
    claim.row().update(images=total)
    known = total - len(planned.todo)

    def tick():
        done = min(total, known + chunks.count_done(run) * planned.size)
        claim.tick(done, 2 * total, "steps: looking at pictures")

    chunks.create(run, planned.chunks)
    claim.tick(known, 2 * total, "steps: looking at pictures", force=True)
    chunks.call_helpers(run)
    chunks.work(run, planned, embedder, tick)
    chunks.wait(run, tick, lambda: chunks.work(run, planned, embedder, tick))
    arrays = feature_store.merge(run.pk, planned, tick) if total else features.stack([], embedder)
    computed = time.monotonic()
    images, rows = _images(planned, arrays, embedder)

    def tick_step(share, what):
        low, high = STEPS[what]
        claim.tick(int(total * (1 + low + share * (high - low))), what=f"steps: {what}")

    found = find_issues(images, settings.ASSESS_TINY, tick_step)
    finished = time.monotonic()
    _publish(claim, planned.image[rows], images, found, total)
    report = {
        "reasons": dict(Counter(issue.reason for issue in found.issues)),
        "overlapping": found.overlapping,
        "classes": len(found.classes),
        "labels_judged": found.label_scores is not None,
        "unreadable": int(total - len(rows)),
        "looked_at": len(planned.todo),
        "seconds": {"looking": round(computed - started), "judging": round(finished - computed)},
    }
    claim.tick(2 * total, what="steps", force=True)
    with claim.transaction():
        AssessRun.objects.filter(pk=run.pk).update(report=report)
    feature_store.drop_all_but(run.pk)


def load_embedder(run: AssessRun, claim: Claim | None = None) -> Embedder:
    """The run's embedder. With a claim its digest is written to the run's row.

    Raises `NoModel`, `BrokenVersion`, and `Postponed` while pretrained weights are being exported.
    """
    if run.embedding == AssessRun.Embedding.PRETRAINED:
        row = _pretrained(run)
        if row.state == State.FAILED:
            raise EmbedderFailed(row.error)
        if row.state != State.DONE:
            until = timezone.now() + timedelta(seconds=settings.JOB_RING_SECONDS)
            raise Postponed(until, "waiting for the pretrained weights to be exported")
        embedder = pretrained_embedder.load(row)
    else:
        versions = ModelVersion.objects
        if run.model_digest:  # resumed: it began with this one, whichever is active now
            version = versions.filter(digest=run.model_digest).first()
        else:
            version = versions.filter(active=True).first()
        if version is None:
            raise NoModel
        embedder = Embedder.of_model(stored.load(version))
    if claim is not None:
        claim.row().update(model_digest=embedder.digest, model_name=embedder.name[:120])
    return embedder


def _pretrained(run: AssessRun) -> PretrainedEmbedder:
    """The embedder that the run began with, whatever the settings say by now; else theirs."""
    if run.model_digest:
        row = PretrainedEmbedder.objects.filter(digest=run.model_digest).first()
        if row is not None:
            return row
    return pretrained_embedder.ask(run.asked_by, since=run.created_at)


def _wait_for_earlier_runs(run: AssessRun) -> None:
    """Raise Postponed while an earlier run goes on: the later of two must publish last."""
    if AssessRun.objects.filter(state=State.RUNNING, pk__lt=run.pk).exists():
        until = timezone.now() + timedelta(seconds=settings.JOB_RING_SECONDS)
        raise Postponed(until, "waiting for the assessment before it")


def _images(
    planned: feature_store.Plan, arrays: FeatureArrays, embedder: Embedder
) -> tuple[Images, np.ndarray]:
    """The images to find issues among, and their rows in the plan. Images that were rejected or
    purged meanwhile, or could not be read, are left out."""
    columns = ("pk", "sha256", "label__slug", "proposed__slug", "group", "split", "state",
              "width", "height", "shorter_side")  # fmt: skip
    live = ShoeImage.objects.filter(state__in=findings.LIVE).order_by("pk")
    facts = {row[0]: row[1:] for row in live.values_list(*columns).iterator(chunk_size=5000)}
    is_live = np.array([pk in facts for pk in planned.image.tolist()], bool)
    rows = np.flatnonzero(is_live & np.asarray(arrays.seen))
    known = [facts[pk] for pk in planned.image[rows].tolist()]
    own = np.array(arrays.own[rows], np.float32)
    learnt = _learnt_from(embedder)
    own[[row[0] in learnt for row in known]] = np.nan
    images = Images(
        sha256=[row[0] for row in known],
        label=[row[1] or row[2] or "" for row in known],
        group=[row[3] for row in known],
        split=[row[4] for row in known],
        confirmed=np.array([row[5] == ShoeImage.State.CONFIRMED for row in known], bool),
        pixels=np.array([row[6] * row[7] for row in known], np.int64),
        shorter_side=np.array([row[8] for row in known], np.int64),
        order=planned.image[rows],
        embedding=arrays.embedding[rows],
        whole=arrays.whole[rows],
        content=arrays.content[rows],
        quality=arrays.quality[rows],
        own=own,
        own_classes=embedder.classes,
        stored=[digest.decode() for digest in planned.stored[rows].tolist()],
    )
    return images, rows


def _learnt_from(embedder: Embedder) -> set[str]:
    """Digests of the images that a version was trained on, as far as this installation knows."""
    version = ModelVersion.objects.filter(digest=embedder.digest).select_related("snapshot").first()
    if version is None or version.snapshot is None:
        return set()
    return {line.sha256 for line in manifest.read(version.snapshot) if line.split == Split.TRAIN}


def _publish(
    claim: Claim, keys: np.ndarray, images: Images, found: FoundIssues, total: int
) -> None:
    """Write assessments and findings, make them count, and update the images' own columns.

    `keys`: primary keys of the images.
    """
    run, number = claim.job, max(1, len(keys))
    written = 0

    def tick(done: int, passes: int):
        """`passes`: how often all images are still gone through, this time included."""
        share = WRITING + (1 - WRITING) * (3 - passes + done / number) / 3
        claim.tick(int(total * (1 + min(share, 1))), what="steps: writing")

    Assessment.objects.filter(run=run).delete()  # of an attempt that did not get to the end
    for batch in batches(_assessments(run, keys, found, images)):
        Assessment.objects.bulk_create(batch)
        written += len(batch)
        tick(written, 3)
    write.record(
        run,
        (replace(i, image=int(keys[i.image]), score=round(i.score, 4)) for i in found.issues),
        lambda done: tick(0, 2),
    )
    with claim.transaction():
        write.publish(run)
    scores = found.label_scores
    best = [] if scores is None else [found.classes[i] for i in scores.best]
    write.set_suggested(zip(keys.tolist(), best, strict=True) if best else (), lambda d: tick(d, 2))
    everything = ShoeImage.objects.order_by("pk").values_list("pk", flat=True)
    findings.refresh(everything.iterator(chunk_size=5000), lambda done: tick(done, 1))
    Assessment.objects.exclude(run=run).delete()


def _assessments(run, keys, found: FoundIssues, images: Images) -> Iterator[Assessment]:
    scores = found.label_scores
    for i, key in enumerate(keys.tolist()):
        row = Assessment(run=run, image_id=key)
        row.quality = dict(zip(quality.MEASURES, map(_short, images.quality[i]), strict=True))
        if scores is not None:
            likeliest = np.argsort(-scores.probabilities[i])[:TOP]
            row.top = [[found.classes[c], _short(scores.probabilities[i, c])] for c in likeliest]
            row.suggested = found.classes[likeliest[0]]
            if not np.isnan(scores.quality[i]):
                row.loss, row.label_quality = _short(scores.loss[i]), _short(scores.quality[i])
                row.label_issue = bool(scores.flagged[i])
        if found.distances is not None:
            # Half at the threshold, and never quite 1.
            above = max(0.0, float(found.distances[i])) / outliers.OUTLIER_ABOVE
            row.outlier = _short(above / (1 + above))
        yield row


def _short(value) -> float:
    return round(float(value), 4)
