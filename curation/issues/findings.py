"""Read findings, and keep what the queue sorts and filters by up to date.

`silence` and `write` change findings; nothing else writes `Finding` rows.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable

from django.db import transaction
from django.db.models import Count, F, Q

from curation.issues.reasons import REASONS, mask
from curation.models import CurrentAssessRun, Finding, ShoeImage, ShoeType
from curation.models.guide import survivors_by_slug
from curation.models.image import DECIDED, OUT, UNREVIEWED
from shoeproject.batches import BATCH_SIZE, batches

State = ShoeImage.State
LIVE = (State.UNREVIEWED, State.CONFIRMED)
# State → priority of its images without findings that stand; OUT in the others.
WITHOUT_FINDINGS = {State.UNREVIEWED: UNREVIEWED, State.CONFIRMED: DECIDED}
# How many decisions a reason's precision as measured beforehand counts for.
PRIOR_DECISIONS = 20


def current_run() -> int | None:
    """Primary key of the assessment that counts, or None before the first one."""
    return CurrentAssessRun.objects.values_list("run", flat=True).first()


def unanswered(run: int | None = None):
    """The findings that nobody answered and that count now, or once `run` is the current one."""
    run = current_run() if run is None else run
    counts = Q(last_run__isnull=True)
    if run is not None:
        counts |= Q(first_run__lte=run, last_run__gte=run)
    return Finding.objects.filter(counts, silenced_at__isnull=True)


def standing(
    image_ids: Iterable[int], precision: dict[str, float] | None = None
) -> dict[int, list[Finding]]:
    """Image → its unanswered findings that still stand, strongest first; only images with some.

    A finding no longer stands where the image was rejected, where the other image of a pair was, or
    where the image already has the label suggested. `precision`: of `measured_precision`, where the
    caller has it already.
    """
    rows = unanswered().filter(image__in=list(image_ids))
    rows = rows.annotate(label=F("image__label__slug"), proposed=F("image__proposed__slug"))
    # Filtered here: a planner without statistics would start from all images in these states.
    rows = [row for row in rows.annotate(state=F("image__state")) if row.state in LIVE]
    states = ShoeImage.objects.order_by().values_list("sha256", "state")
    live_others = {
        sha256
        for part in batches({row.other for row in rows if row.other})
        for sha256, state in states.filter(sha256__in=part)
        if state in LIVE
    }
    precision = precision or measured_precision()
    types = ShoeType.objects.only("slug", "merged_into")
    today = survivors_by_slug(types) if any(row.suggested for row in rows) else {}
    found = defaultdict(list)
    for row in rows:
        suggested = today.get(row.suggested)
        already_given = suggested and suggested == today.get(row.label or row.proposed)
        if not already_given and (not row.other or row.other in live_others):
            found[row.image_id].append(row)
    return {
        image_id: sorted(image_findings, key=lambda finding: -_priority(finding, precision))
        for image_id, image_findings in found.items()
    }


def refresh(image_ids: Iterable[int], tick: Callable[[int], None] = lambda done: None) -> None:
    """Compute `reasons` and `priority` of these images anew; `tick(done)` after each batch."""
    precision, done = measured_precision(), 0
    for part in batches(image_ids):
        with transaction.atomic():
            changed = []
            images = list(
                ShoeImage.objects.filter(pk__in=part)
                .only("state", "reasons", "priority")
                .order_by("pk")
                .select_for_update(of=("self",))
            )
            # Read once the images are locked, so that a decision under way is seen.
            open_findings = standing(part, precision)
            for image in images:
                image_findings = open_findings.get(image.pk, [])
                reasons = mask(finding.reason for finding in image_findings)
                priority = WITHOUT_FINDINGS.get(image.state, OUT)
                if image_findings:
                    priority = _priority(image_findings[0], precision)
                if (image.reasons, image.priority) != (reasons, priority):
                    image.reasons, image.priority = reasons, priority
                    changed.append(image)
            ShoeImage.objects.bulk_update(changed, ["reasons", "priority"], batch_size=BATCH_SIZE)
        done += len(part)
        tick(done)


def refresh_with_pairs(image_ids: Iterable[int]) -> None:
    """`refresh` these images and those that findings call copies of them."""
    image_ids = set(image_ids)
    refresh(sorted(image_ids | copies_of(image_ids)))


def copies_of(image_ids: Iterable[int]) -> set[int]:
    """The images that findings, open or not, call copies of these."""
    shas = ShoeImage.objects.values("sha256")
    copies = Finding.objects.exclude(other="").order_by().values_list("image", flat=True)
    return {
        image
        for part in batches(image_ids)
        for image in copies.filter(other__in=shas.filter(pk__in=part))
    }


def measured_precision() -> dict[str, float]:
    """Reason → the share of its answered findings that were right, 0 to 1.

    The mean of a Beta posterior whose prior is the precision measured beforehand, with the weight
    of `PRIOR_DECISIONS` decisions.
    """
    answered = Finding.objects.filter(silenced_at__isnull=False).order_by()
    counts = answered.values_list("reason").annotate(
        right=Count("pk", filter=Q(outcome=Finding.Outcome.ACTED)), total=Count("pk")
    )
    right_and_total = {reason: (right, total) for reason, right, total in counts}
    measured = {}
    for reason in REASONS:
        right, total = right_and_total.get(reason.slug, (0, 0))
        prior = reason.precision * PRIOR_DECISIONS
        measured[reason.slug] = (prior + right) / (PRIOR_DECISIONS + total)
    return measured


def _priority(finding: Finding, precision: dict[str, float]) -> float:
    """Precision in whole percent, then the score: 0.85 and a score of 0.3 give 0.8527."""
    expected = max(1, round(100 * precision.get(finding.reason, 0.01))) / 100
    return expected + min(max(finding.score, 0.0), 1.0) * 0.009
