"""Cards: what the queue shows of an image for a decision, as plain data."""

from collections.abc import Iterable

from curation.decisions import history
from curation.issues import findings
from curation.issues.reasons import BY_SLUG, DUPLICATES
from curation.models import Assessment, Review, ShoeImage, ShoeType
from curation.models.guide import survivors_by_slug

TOP = 5  # likely labels on each card


def build_cards(image_ids: Iterable[int]) -> list[dict]:
    """Cards of these images in this order, in as many queries for one as for a hundred.

    Each card is a dict: `id`, `sha256`, `stored`, `given` and `suggested` ({slug, name}, the second
    with `probability`, 0 to 1 or None; None where there is none), `top` (likely labels like that),
    `reasons` (of the findings that stand, strongest first: slug, words, score, other, note,
    suggested), `pair` (whether a finding calls it a copy), `width`, `height`, `source`, `split`,
    `state`, `group`, `domain`, `licence`, `seen` (its newest decision, 0 for none) and `last`
    ({who, at, action, label, note, batch} of that decision, or None).
    """
    image_ids = list(image_ids)
    types = ShoeType.objects.in_bulk()
    today = survivors_by_slug(types.values())
    rows = ShoeImage.objects.in_bulk(image_ids)
    open_findings = findings.standing(image_ids)
    newest = history.newest_decisions(image_ids)
    decisions = Review.objects.select_related("by").in_bulk(list(newest.values()))
    assessed = Assessment.objects.filter(run=findings.current_run(), image__in=image_ids)
    tops = dict(assessed.values_list("image", "top"))
    return [
        _card(
            rows[pk],
            open_findings.get(pk, []),
            tops.get(pk, []),
            decisions.get(newest.get(pk)),
            types,
            today,
        )
        for pk in image_ids
        if pk in rows
    ]


def _card(image: ShoeImage, open_findings, top, last: Review | None, types, today) -> dict:
    """One card. `types`: primary key → type; `today`: slug → the type that stands for it."""
    given = types.get(image.given_key)
    return {
        "id": image.pk,
        "sha256": image.sha256,
        "stored": image.stored_sha256,
        "given": _named(given),
        "suggested": _suggested(image, given, open_findings, top, today),
        "top": [_named(today[s], probability=p) for s, p in top[:TOP] if s in today],
        "reasons": [_reason(finding, today) for finding in open_findings],
        "pair": any(finding.reason in DUPLICATES for finding in open_findings),
        "width": image.width,
        "height": image.height,
        "source": image.source,
        "split": image.split,
        "state": image.state,
        "group": image.group,
        "domain": image.domain,
        "licence": image.licence,
        "seen": last.pk if last else 0,
        "last": last and _decision(last, types),
    }


def _named(shoe_type: ShoeType | None, **more) -> dict | None:
    return shoe_type and {"slug": shoe_type.slug, "name": shoe_type.name, **more}


def _suggested(image, given, open_findings, top, today) -> dict | None:
    """The model's best label; where that is the given one, another that a finding suggests."""
    best = today.get(image.suggested)
    if best is None or best == given:
        others = (today.get(finding.suggested) for finding in open_findings)
        best = next((other for other in others if other and other != given), best)
    # The probabilities of types that were merged into it count too.
    parts = [p for slug, p in top if today.get(slug) == best]
    return _named(best, probability=sum(parts) if parts else None)


def _reason(finding, today) -> dict:
    reason = BY_SLUG[finding.reason]
    return {
        "slug": reason.slug,
        "words": reason.words,
        "score": finding.score,
        "other": finding.other,
        "note": finding.note,
        "suggested": _named(today.get(finding.suggested)),
    }


def _decision(last: Review, types) -> dict:
    return {
        "who": last.by.get_username() if last.by else "the project",
        "by": last.by_id,
        "at": last.at.isoformat(),
        "action": last.action,
        "words": last.get_action_display(),
        "label": _named(types.get(last.label_to_id)),
        "note": last.note,
        "batch": str(last.batch),
    }
