"""What the queue shows of an image: everything that a decision is made by, as plain data."""

from collections.abc import Iterable

from curation.decisions import decide
from curation.issues import findings
from curation.issues.reasons import BY_SLUG, DUPLICATES
from curation.models import Assessment, Review, ShoeImage, ShoeType

TOP = 5  # likely labels kept beside each image


class Types:
    """All types, asked for once: by key, by slug, and where merges lead."""

    def __init__(self):
        self.by_pk = {t.pk: t for t in ShoeType.objects.select_related("category")}
        self.by_slug = {t.slug: t for t in self.by_pk.values()}

    def named(self, shoe_type: ShoeType | None) -> dict | None:
        """Slug and name, or None."""
        return shoe_type and {"slug": shoe_type.slug, "name": shoe_type.name}

    def today(self, slug: str) -> ShoeType | None:
        """The type that stands today for a slug a model knows; None for an unknown one."""
        at, seen = self.by_slug.get(slug), set()
        while at and at.merged_into_id and at.pk not in seen:
            seen.add(at.pk)
            at = self.by_pk[at.merged_into_id]
        return at


def cards(image_ids: Iterable[int]) -> list[dict]:
    """These images in this order, in a number of queries that does not depend on how many.

    Each a dict: `id`, `sha256`, `stored`, `given` and `suggested` ({slug, name}, the second with
    `probability`, 0 to 1 or None; None where there is none), `top` (likely labels like that),
    `reasons` (of the findings that stand, strongest first: slug, words, score, other, note,
    suggested), `pair` (whether one says that it is a copy), `width`, `height`, `source`, `split`,
    `state`, `group`, `domain`, `licence`, `seen` (its newest decision, 0 for none) and `last`
    ({who, at, action, label, note, batch} of that decision, or None).
    """
    image_ids = list(image_ids)
    types = Types()
    rows = ShoeImage.objects.in_bulk(image_ids)
    said = findings.live(image_ids)
    newest = decide.newest_decisions(image_ids)
    decisions = Review.objects.select_related("by").in_bulk(list(newest.values()))
    assessed = Assessment.objects.filter(run=findings.current_run(), image__in=image_ids)
    tops = dict(assessed.values_list("image", "top"))
    made = []
    for pk in image_ids:
        if pk in rows:
            last = decisions.get(newest.get(pk))
            made.append(_card(rows[pk], said.get(pk, []), tops.get(pk, []), last, types))
    return made


def _card(image: ShoeImage, said, top, last: Review | None, types: Types) -> dict:
    given = types.by_pk.get(image.given_key)
    return {
        "id": image.pk,
        "sha256": image.sha256,
        "stored": image.stored_sha256,
        "given": types.named(given),
        "suggested": _suggested(image, given, said, top, types),
        "top": [_likely(types.today(s), p, types) for s, p in top[:TOP] if types.today(s)],
        "reasons": [_reason(finding, types) for finding in said],
        "pair": any(finding.reason in DUPLICATES for finding in said),
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


def _suggested(image, given, said, top, types: Types) -> dict | None:
    """What the model thinks best; where that is the given label, what a finding says instead."""
    best = types.today(image.suggested)
    if best is None or best == given:
        others = (types.today(finding.suggested) for finding in said)
        best = next((other for other in others if other and other != given), best)
    if best is None:
        return None
    # A type that took others' images has their probability too.
    parts = [p for slug, p in top if types.today(slug) == best]
    return _likely(best, sum(parts) if parts else None, types)


def _likely(shoe_type: ShoeType, probability: float | None, types: Types) -> dict:
    return {**types.named(shoe_type), "probability": probability}


def _reason(finding, types: Types) -> dict:
    reason = BY_SLUG[finding.reason]
    return {
        "slug": reason.slug,
        "words": reason.words,
        "score": finding.score,
        "other": finding.other,
        "note": finding.note,
        "suggested": types.named(types.today(finding.suggested)),
    }


def _decision(last: Review, types: Types) -> dict:
    return {
        "who": last.by.get_username() if last.by else "the project",
        "by": last.by_id,
        "at": last.at.isoformat(),
        "action": last.action,
        "words": last.get_action_display(),
        "label": types.named(types.by_pk.get(last.label_to_id)),
        "note": last.note,
        "batch": str(last.batch),
    }
