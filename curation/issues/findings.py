"""What may be wrong with images: said, answered, published, and what the queue sorts by.

Nobody else writes `Finding` rows or the three fields of `ShoeImage` that repeat them.
"""

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, F, Q
from django.utils import timezone

from curation.decisions.history import BATCH, batches
from curation.issues.reasons import BY_SLUG, REASONS, mask
from curation.models import AssessRun, CurrentAssessRun, Finding, ShoeImage, ShoeType
from curation.models.image import DECIDED, OUT, UNREVIEWED

State = ShoeImage.State
LIVE = (State.UNREVIEWED, State.CONFIRMED)
# Decisions that a reason's precision as measured before counts for, beside those made here.
PRIOR_DECISIONS = 20


@dataclass(frozen=True)
class Found:
    """One finding of an assess run: `image` is a primary key, `other` a sha256, `suggested` a
    slug; the two last are empty where there is none. `score`: 0 to 1, high is worse."""

    image: int
    reason: str
    score: float
    other: str = ""
    suggested: str = ""


def current_run() -> int | None:
    """The generation that counts, or None before the first assessment."""
    return CurrentAssessRun.objects.values_list("run", flat=True).first()


def unanswered(run: int | None = None):
    """The findings that count now (or once `run` is the current one) and nobody has answered."""
    run = current_run() if run is None else run
    counts = Q(last_run__isnull=True)
    if run is not None:
        counts |= Q(first_run__lte=run, last_run__gte=run)
    return Finding.objects.filter(counts, silenced_at__isnull=True)


def live(image_ids: Iterable[int], precision: dict | None = None) -> dict[int, list[Finding]]:
    """Image → its findings that still stand, strongest first; images without are left out.
    `precision`: what `measured_precision` says, where the caller knows it already.

    A finding no longer stands where the image was rejected, where the other image of a pair was, or
    where the image already bears the label suggested.
    """
    image_ids = list(image_ids)
    said = unanswered().filter(image__in=image_ids)
    said = said.annotate(label=F("image__label__slug"), proposed=F("image__proposed__slug"))
    # Not asked of the database: a planner without statistics would start from all such images.
    found = [row for row in said.annotate(state=F("image__state")) if row.state in LIVE]
    others = {finding.other for finding in found if finding.other}
    states = ShoeImage.objects.order_by().values_list("sha256", "state")
    standing = {
        sha256
        for part in batches(others)
        for sha256, state in states.filter(sha256__in=part)
        if state in LIVE
    }
    precision = precision or measured_precision()
    survivor = _survivors() if any(finding.suggested for finding in found) else {}
    rows = defaultdict(list)
    for finding in found:
        given = finding.label or finding.proposed
        suggested = survivor.get(finding.suggested, finding.suggested)
        answered = suggested and suggested == survivor.get(given, given)
        if not answered and (not finding.other or finding.other in standing):
            rows[finding.image_id].append(finding)
    for findings in rows.values():
        findings.sort(key=lambda f: -_priority(f, precision))
    return dict(rows)


def refresh(image_ids: Iterable[int], tick: Callable[[int], None] = lambda done: None) -> None:
    """Write `reasons` and `priority` of these images anew; `tick(done)` after each batch."""
    precision, done = measured_precision(), 0
    for part in batches(image_ids):
        with transaction.atomic():
            changed = []
            rows = ShoeImage.objects.filter(pk__in=part).only("state", "reasons", "priority")
            images = list(rows.order_by("pk").select_for_update(of=("self",)))
            # Read once the images are held: a decision that was under way has its say.
            found = live(part, precision)
            for image in images:
                said = found.get(image.pk, [])
                reasons = mask({finding.reason for finding in said})
                priority = _standing(image.state)
                if said and priority != OUT:
                    priority = _priority(said[0], precision)
                if (image.reasons, image.priority) != (reasons, priority):
                    image.reasons, image.priority = reasons, priority
                    changed.append(image)
            ShoeImage.objects.bulk_update(changed, ["reasons", "priority"], batch_size=BATCH)
        done += len(part)
        tick(done)


def refresh_with_pairs(image_ids: Iterable[int]) -> None:
    """`refresh` these images and those that are said to be copies of them."""
    image_ids = list(image_ids)
    wanted = set(image_ids)
    for part in batches(image_ids):
        shas = ShoeImage.objects.filter(pk__in=part).values_list("sha256", flat=True)
        pairs = Finding.objects.filter(other__in=list(shas)).exclude(other="")
        wanted.update(pairs.values_list("image", flat=True))
    refresh(sorted(wanted))


def answer(image_ids, outcome: str, by, batch: uuid.UUID, but: Iterable[str] = ()) -> None:
    """Mark what is said against these images as answered by one batch of decisions.

    `but`: reasons that stay open. What comes back in a later assessment stays answered; another
    copy or another suggestion is another finding.
    """
    now = timezone.now()
    for part in batches(image_ids):
        unanswered().filter(image__in=part).exclude(reason__in=list(but)).update(
            silenced_by=by, silenced_at=now, outcome=outcome, batch=batch
        )


def reopen(batch: uuid.UUID, image_ids: Iterable[int]) -> None:
    """Take back what `answer` did to these images in one batch."""
    for part in batches(image_ids):
        Finding.objects.filter(batch=batch, image__in=part).update(
            silenced_by=None, silenced_at=None, outcome="", batch=None
        )


def silence(findings: Iterable[Finding], by, batch: uuid.UUID | None = None) -> uuid.UUID:
    """“Kept on purpose”: these findings never speak again, whatever becomes of the images."""
    batch = batch or uuid.uuid4()
    rows = list(findings)
    Finding.objects.filter(pk__in=[row.pk for row in rows], silenced_at__isnull=True).update(
        silenced_by=by, silenced_at=timezone.now(), outcome=Finding.Outcome.KEPT, batch=batch
    )
    refresh({row.image_id for row in rows})
    return batch


def say(image: ShoeImage, reason: str, *, score=1.0, suggested="", note="") -> Finding:
    """Let somebody, not an assessment, say something about an image. Said again, it is open again.

    `KeyError` for a reason nobody knows.
    """
    BY_SLUG[reason]
    finding, _ = Finding.objects.update_or_create(
        image=image,
        reason=reason,
        other="",
        suggested=suggested,
        defaults={
            "score": score,
            "note": note,
            "first_run": None,
            "last_run": None,
            "silenced_by": None,
            "silenced_at": None,
            "outcome": "",
            "batch": None,
        },
    )
    refresh([image.pk])
    return finding


def unsay(image_ids: Iterable[int], reason: str) -> None:
    """Take back what `say` said, as if it had never been."""
    image_ids = list(image_ids)
    Finding.objects.filter(image__in=image_ids, reason=reason, last_run__isnull=True).delete()
    refresh(image_ids)


def record(run: AssessRun, found: Iterable[Found], tick=lambda done: None) -> None:
    """Write what a run found, without letting it count yet. May be repeated.

    What the current run says too only has its last run moved on, so it counts before and after.
    """
    before, done = current_run(), 0
    for part in batches(found):
        with transaction.atomic():
            _record(run.pk, before, part)
        done += len(part)
        tick(done)


def _record(run: int, before: int | None, part: Iterable[Found]) -> None:
    known = {
        (row.image_id, row.reason, row.other, row.suggested): row
        for row in Finding.objects.filter(image__in={found.image for found in part})
    }
    new, seen = [], []
    for found in part:
        row = known.get((found.image, found.reason, found.other, found.suggested))
        if row is None:
            new.append(
                Finding(
                    image_id=found.image,
                    reason=found.reason,
                    other=found.other,
                    suggested=found.suggested,
                    score=found.score,
                    first_run=run,
                    last_run=run,
                )
            )
        elif row.last_run is not None:  # else somebody said it, and it counts anyway
            # One that the current run does not say would count too early.
            went_on = before is not None and row.last_run >= before
            row.first_run = row.first_run if went_on else run
            row.last_run, row.score = run, found.score
            seen.append(row)
    Finding.objects.bulk_create(new, ignore_conflicts=True)
    Finding.objects.bulk_update(seen, ["first_run", "last_run", "score"])


def publish(run: AssessRun) -> None:
    """Let what `run` found count, and nothing else that an assessment said."""
    CurrentAssessRun.objects.update_or_create(pk=1, defaults={"run": run})


def suggest(best: Iterable[tuple[int, str]], tick=lambda done: None) -> None:
    """Write (image, slug) what the current assessment takes images for; others keep what they
    have."""
    done = 0
    for part in batches(best):
        slugs = dict(part)
        rows = ShoeImage.objects.filter(pk__in=slugs).only("suggested").order_by("pk")
        with transaction.atomic():
            changed = []
            for image in rows.select_for_update(of=("self",)):
                if image.suggested != slugs[image.pk]:
                    image.suggested = slugs[image.pk]
                    changed.append(image)
            ShoeImage.objects.bulk_update(changed, ["suggested"], batch_size=BATCH)
        done += len(part)
        tick(done)


def measured_precision() -> dict[str, float]:
    """Reason → the share of its answered findings that led to something, 0 to 1.

    The precision measured before the project was anybody's counts as `PRIOR_DECISIONS` decisions
    (the mean of a Beta posterior).
    """
    acted, kept = Finding.Outcome.ACTED, Finding.Outcome.KEPT
    counts = {
        row["reason"]: (row["acted"], row["kept"])
        for row in Finding.objects.filter(silenced_at__isnull=False)
        .values("reason")
        .annotate(
            acted=Count("pk", filter=Q(outcome=acted)), kept=Count("pk", filter=Q(outcome=kept))
        )
        .order_by()
    }
    measured = {}
    for reason in REASONS:
        right, wrong = counts.get(reason.slug, (0, 0))
        prior = reason.precision * PRIOR_DECISIONS
        measured[reason.slug] = (prior + right) / (PRIOR_DECISIONS + right + wrong)
    return measured


def _survivors() -> dict[str, str]:
    """Slug of a merged type → slug of the one that took its images."""
    merged = ShoeType.objects.filter(merged_into__isnull=False).select_related("merged_into")
    return {gone.slug: gone.survivor().slug for gone in merged}


def _priority(finding: Finding, precision: dict[str, float]) -> float:
    """Precision in whole percent, then the score: 0.85 and a score of 0.3 give 0.853."""
    expected = max(1, round(100 * precision.get(finding.reason, 0.01))) / 100
    return expected + min(max(finding.score, 0.0), 1.0) * 0.009


def _standing(state: str) -> float:
    if state not in LIVE:
        return OUT
    return UNREVIEWED if state == State.UNREVIEWED else DECIDED
