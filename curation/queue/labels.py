"""Labels to choose from, and descriptions that tell one from another."""

from django.conf import settings

from curation.models import ShoeImage, ShoeType


def list_labels() -> list[dict]:
    """Every label that can be given today: slug, name and category, in the order of the guide."""
    types = ShoeType.objects.filter(merged_into=None).select_related("category")
    ordered = sorted(types, key=lambda t: (t.category.position if t.category else 99, t.name))
    return [
        {"slug": t.slug, "name": t.name, "category": t.category.name if t.category else "No type"}
        for t in ordered
    ]


def describe_type(shoe_type: ShoeType) -> dict:
    """A type in words, with some confirmed images, those without open findings first."""
    confirmed = ShoeImage.objects.filter(label=shoe_type, state=ShoeImage.State.CONFIRMED)
    # The index `image_queue_by_label`, read backwards: lowest priority first, then the newest.
    examples = confirmed.order_by("priority", "-id").values("pk", "stored_sha256")
    return {
        "slug": shoe_type.slug,
        "name": shoe_type.name,
        "category": shoe_type.category.name if shoe_type.category else "",
        "distinction": shoe_type.distinction,
        "pros": shoe_type.pros,
        "cons": shoe_type.cons,
        "examples": [
            {"id": row["pk"], "stored": row["stored_sha256"]}
            for row in examples[: settings.QUEUE_EXAMPLES]
        ],
    }
