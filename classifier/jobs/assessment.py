"""One assessment from end to end: look at every picture, judge all of them at once, publish.

Looking is done in chunks that other workers may share and that a taken-up run does not repeat. The
judgement needs all images together; until it is published, the one before counts.
"""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from django.conf import settings
from django.utils import timezone

from classifier.assess import feature_store, find_issues
from classifier.assess.features import gather
from classifier.assess.sights import Sights
from classifier.errors import ClassifierError
from classifier.inference.embedding import Embedder
from classifier.jobs import chunks, pretrained_embedder
from classifier.models import ModelVersion, PretrainedEmbedder
from classifier.registry import store
from curation.decisions.history import batches
from curation.issues import findings
from curation.issues.findings import Found
from curation.models import Assessment, AssessRun, ShoeImage
from curation.snapshots import freeze
from curation.splits import Split
from shoeproject.jobs import Claim, Postponed, State

TOP = 5
# Of a run's progress, one half is looking and one is judging; the shares of the second half.
STEPS = {"possible copies": (0.0, 0.15), "copies": (0.0, 0.45), "labels": (0.45, 0.8)}
WRITING = 0.8


class NoModel(ClassifierError):
    """Nothing can look at pictures."""

    code = "no_model"
    status = 503
    retry_after = 60
    message = (
        "No version is active, so nothing can look at the images. Promote one, or assess with "
        "pretrained weights (`manage.py assess --embedding pretrained`)."
    )


class Superseded(ClassifierError):
    """A later run was published while this one was paused."""

    code = "superseded"
    message = "A later assessment counts already; ask for a new one instead."


class EmbedderFailed(ClassifierError):
    """The export of the pretrained weights that the run wants failed, because of `why`."""

    why: str
    code = "embedder_failed"
    message = "The pretrained weights could not be exported: {why}"


def run(claim: Claim) -> None:
    """Perform an assess job."""
    if (findings.current_run() or 0) > claim.pk:
        raise Superseded
    _let_earlier_ones_finish(claim.job)
    eye = load_eye(claim.job, claim)
    run, started = claim.job, time.monotonic()
    planned = feature_store.plan(run)
    total = len(planned.image)
    claim.row().update(images=total)
    seen_before = total - len(planned.todo)

    def tick():
        done = min(total, seen_before + chunks.done(run) * planned.size)
        claim.tick(done, 2 * total, "steps: looking at pictures")

    chunks.make(run, planned.parts)
    claim.tick(seen_before, 2 * total, "steps: looking at pictures", force=True)
    chunks.call_for_help(run)
    chunks.work(run, planned, eye, tick)
    chunks.wait(run, tick, lambda: chunks.work(run, planned, eye, tick))
    sights = feature_store.merge(run.pk, planned, tick) if total else gather([], eye)
    looked = time.monotonic()
    images, rows = _images(planned, sights, eye)

    def judging(share, what):
        low, high = STEPS[what]
        claim.tick(int(total * (1 + low + share * (high - low))), what=f"steps: {what}")

    found = find_issues.reach(images, settings.ASSESS_TINY, judging)
    judged = time.monotonic()
    _publish(claim, planned.image[rows], images, found, total)
    report = {
        "reasons": dict(Counter(said.reason for said in found.said)),
        "overlapping": found.overlapping,
        "classes": len(found.classes),
        "labels_judged": found.judged is not None,
        "unreadable": int(total - len(rows)),
        "looked_at": len(planned.todo),
        "seconds": {"looking": round(looked - started), "judging": round(judged - looked)},
    }
    claim.tick(2 * total, what="steps", force=True)
    with claim.holding():
        AssessRun.objects.filter(pk=run.pk).update(report=report)
    feature_store.drop_but(run.pk)


def load_eye(run: AssessRun, claim: Claim | None = None) -> Embedder:
    """What the run looks through. The first time, with a claim, it is chosen and written down.

    Raises `NoModel`, `BrokenVersion`, and `Postponed` while pretrained weights are being exported.
    """
    if run.embedding == AssessRun.Embedding.PRETRAINED:
        row = _pretrained(run)
        if row.state == State.FAILED:
            raise EmbedderFailed(row.error)
        if row.state != State.DONE:
            until = timezone.now() + timedelta(seconds=settings.JOB_RING_SECONDS)
            raise Postponed(until, "waiting for the pretrained weights to be exported")
        eye = pretrained_embedder.load(row)
    else:
        versions = ModelVersion.objects
        if run.model_digest:  # taken up again: whichever is active now, this one began
            version = versions.filter(digest=run.model_digest).first()
        else:
            version = versions.filter(active=True).first()
        if version is None:
            raise NoModel
        eye = Embedder.of_model(store.load(version))
    if claim is not None:
        claim.row().update(model_digest=eye.digest, model_name=eye.name[:120])
    return eye


def _pretrained(run: AssessRun) -> PretrainedEmbedder:
    """What the run began with, whatever the settings say by now; else what they ask for."""
    if run.model_digest:
        began = PretrainedEmbedder.objects.filter(digest=run.model_digest).first()
        if began is not None:
            return began
    return pretrained_embedder.ask(run.asked_by, since=run.created_at)


def _let_earlier_ones_finish(run: AssessRun) -> None:
    """The later of two runs must publish last."""
    if AssessRun.objects.filter(state=State.RUNNING, pk__lt=run.pk).exists():
        until = timezone.now() + timedelta(seconds=settings.JOB_RING_SECONDS)
        raise Postponed(until, "waiting for the assessment before it")


def _images(
    planned: feature_store.Plan, sights: Sights, eye: Embedder
) -> tuple[find_issues.Images, np.ndarray]:
    """The images as the judgement wants them, and their rows in the plan: what was decided on or
    could not be read meanwhile is left out."""
    wanted = ("pk", "sha256", "label__slug", "proposed__slug", "group", "split", "state",
              "width", "height", "shorter_side")  # fmt: skip
    live = ShoeImage.objects.filter(state__in=findings.LIVE).order_by("pk")
    facts = {row[0]: row[1:] for row in live.values_list(*wanted).iterator(chunk_size=5000)}
    here = np.array([pk in facts for pk in planned.image.tolist()], bool)
    rows = np.flatnonzero(here & np.asarray(sights.seen))
    known = [facts[pk] for pk in planned.image[rows].tolist()]
    own = np.array(sights.own[rows], np.float32)
    learnt = _learnt_from(eye)
    own[[row[0] in learnt for row in known]] = np.nan
    images = find_issues.Images(
        sha256=[row[0] for row in known],
        label=[row[1] or row[2] or "" for row in known],
        group=[row[3] for row in known],
        split=[row[4] for row in known],
        confirmed=np.array([row[5] == ShoeImage.State.CONFIRMED for row in known], bool),
        pixels=np.array([row[6] * row[7] for row in known], np.int64),
        shorter_side=np.array([row[8] for row in known], np.int64),
        order=planned.image[rows],
        embedding=sights.embedding[rows],
        whole=sights.whole[rows],
        content=sights.content[rows],
        quality=sights.quality[rows],
        own=own,
        own_classes=eye.classes,
        stored=[digest.decode() for digest in planned.stored[rows].tolist()],
    )
    return images, rows


def _learnt_from(eye: Embedder) -> set[str]:
    """The images that a version's network was trained on, as far as this installation knows."""
    version = ModelVersion.objects.filter(digest=eye.digest).select_related("snapshot").first()
    if version is None or version.snapshot is None:
        return set()
    return {line.sha256 for line in freeze.read(version.snapshot) if line.split == Split.TRAIN}


def _publish(claim, keys: np.ndarray, images, found: find_issues.Verdict, total: int) -> None:
    """Write what was found, let it count, and bring the images' own columns up to date."""
    run, number = claim.job, max(1, len(keys))
    written = 0

    def tick(done: int = 0, times: int = 1):
        """`times`: how often all images are gone through from here to the end."""
        share = WRITING + (1 - WRITING) * (3 - times + done / number) / 3
        claim.tick(int(total * (1 + min(share, 1))), what="steps: writing")

    Assessment.objects.filter(run=run).delete()  # of an attempt that did not get to the end
    rows = _assessments(run, keys, found, images)
    for batch in batches(rows):
        Assessment.objects.bulk_create(batch)
        written += len(batch)
        tick(written, 3)
    findings.record(
        run,
        (
            Found(int(keys[s.image]), s.reason, round(s.score, 4), s.other, s.suggested)
            for s in found.said
        ),
        lambda done: tick(0, 2),
    )
    with claim.holding():
        findings.publish(run)
    best = [] if found.judged is None else [found.classes[i] for i in found.judged.best]
    findings.suggest(zip(keys.tolist(), best, strict=True) if best else (), lambda d: tick(d, 2))
    everything = ShoeImage.objects.order_by("pk").values_list("pk", flat=True)
    findings.refresh(everything.iterator(chunk_size=5000), lambda done: tick(done, 1))
    Assessment.objects.exclude(run=run).delete()


def _assessments(run, keys, found: find_issues.Verdict, images) -> Iterator[Assessment]:
    judged, names = found.judged, find_issues.quality.MEASURES
    for i, key in enumerate(keys.tolist()):
        row = Assessment(run=run, image_id=key)
        row.quality = dict(zip(names, map(_short, images.quality[i]), strict=True))
        if judged is not None:
            likeliest = np.argsort(-judged.probabilities[i])[:TOP]
            row.top = [[found.classes[c], _short(judged.probabilities[i, c])] for c in likeliest]
            row.suggested = found.classes[likeliest[0]]
            if not np.isnan(judged.quality[i]):
                row.loss, row.label_quality = _short(judged.loss[i]), _short(judged.quality[i])
                row.label_issue = bool(judged.flagged[i])
        if found.strangeness is not None:
            # Half at the threshold, and never quite 1.
            row.outlier = _short(_share(found.strangeness[i]))
        yield row


def _share(deviations: float) -> float:
    above = max(0.0, float(deviations)) / find_issues.outliers.OUTLIER_ABOVE
    return above / (1 + above)


def _short(value) -> float:
    return round(float(value), 4)
