"""The types that labels mean."""

from django.utils.text import slugify

from curation.models import ShoeType


class Labels:
    """Finds the type a label means: by a map, by slug, by name or by the first model's class name.

    Raises KeyError for a label nobody knows.
    """

    def __init__(self, label_map: dict[str, str] | None = None):
        self._types = {}
        for shoe_type in ShoeType.objects.select_related("merged_into"):
            for name in (shoe_type.slug, shoe_type.name, shoe_type.original_label):
                self._types.setdefault(slugify(name), shoe_type.survivor())
        self._map = {slugify(k): slugify(v) for k, v in (label_map or {}).items()}

    def __getitem__(self, label: str) -> ShoeType:
        slug = slugify(label.replace("_", "-"))
        slug = self._map.get(slugify(label), self._map.get(slug, slug))
        return self._types[slug]
