"""Write findings: of a person, and of an assessment, which counts once it is published."""

from collections.abc import Callable, Iterable

from django.db import transaction

from curation.issues import findings
from curation.issues.new_finding import NewFinding
from curation.issues.reasons import BY_SLUG
from curation.models import AssessRun, CurrentAssessRun, Finding, ShoeImage
from shoeproject.batches import BATCH_SIZE, batches


def add_finding(image: ShoeImage, reason: str, *, score=1.0, suggested="", note="") -> Finding:
    """Add a person's finding, or open it again where it was answered.

    Raises KeyError for an unknown reason.
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
    findings.refresh([image.pk])
    return finding


def remove_findings(image_ids: Iterable[int], reason: str) -> None:
    """Remove what `add_finding` added to these images for one reason."""
    image_ids = list(image_ids)
    Finding.objects.filter(image__in=image_ids, reason=reason, last_run__isnull=True).delete()
    findings.refresh(image_ids)


def record(
    run: AssessRun,
    new_findings: Iterable[NewFinding],
    tick: Callable[[int], None] = lambda done: None,
) -> None:
    """Write a run's findings, which do not count before `publish`. May be repeated.

    `NewFinding.image` is a primary key. Of a finding that the current run has too, only `last_run`
    is moved on, so that it counts before and after. `tick(done)` is called after each batch.
    """
    current, done = findings.current_run(), 0
    for part in batches(new_findings):
        _record(run.pk, current, part)
        done += len(part)
        tick(done)


@transaction.atomic
def _record(run: int, current: int | None, part: list[NewFinding]) -> None:
    stored = {
        (row.image_id, row.reason, row.other, row.suggested): row
        for row in Finding.objects.filter(image__in={finding.image for finding in part})
    }
    created, updated = [], []
    for finding in part:
        row = stored.get((finding.image, finding.reason, finding.other, finding.suggested))
        if row is None:
            created.append(
                Finding(
                    image_id=finding.image,
                    reason=finding.reason,
                    other=finding.other,
                    suggested=finding.suggested,
                    score=finding.score,
                    first_run=run,
                    last_run=run,
                )
            )
        elif row.last_run is not None:  # a person's finding has none and counts anyway
            # One that the current run does not have must not count before this run does.
            if current is None or row.last_run < current:
                row.first_run = run
            row.last_run, row.score = run, finding.score
            updated.append(row)
    Finding.objects.bulk_create(created, ignore_conflicts=True)
    Finding.objects.bulk_update(updated, ["first_run", "last_run", "score"])


def publish(run: AssessRun) -> None:
    """Make `run` the assessment whose findings count."""
    CurrentAssessRun.objects.update_or_create(pk=1, defaults={"run": run})


def set_suggested(
    labels: Iterable[tuple[int, str]], tick: Callable[[int], None] = lambda done: None
) -> None:
    """Write the current assessment's best labels, (image, slug); other images keep theirs.

    `tick(done)` is called after each batch.
    """
    done = 0
    for part in batches(labels):
        slugs = dict(part)
        rows = ShoeImage.objects.filter(pk__in=slugs).only("suggested").order_by("pk")
        with transaction.atomic():
            images = rows.select_for_update(of=("self",))
            changed = [image for image in images if image.suggested != slugs[image.pk]]
            for image in changed:
                image.suggested = slugs[image.pk]
            ShoeImage.objects.bulk_update(changed, ["suggested"], batch_size=BATCH_SIZE)
        done += len(part)
        tick(done)
