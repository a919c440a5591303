"""Find the shoe type that a label names."""

from django.utils.text import slugify

from curation.models import ShoeType
from curation.models.guide import survivors


class Labels:
    """Finds types by label: a label of `label_map`, a slug, a name, or a class of the first model.

    `label_map`: their label → our slug.
    """

    def __init__(self, label_map: dict[str, str] | None = None):
        self._types = {}
        types = ShoeType.objects.all()
        standing = survivors(types)
        for shoe_type in types:
            for name in (shoe_type.slug, shoe_type.name, shoe_type.original_label):
                self._types.setdefault(slugify(name), standing[shoe_type.pk])
        self._map = {slugify(k): slugify(v) for k, v in (label_map or {}).items()}

    def get(self, label: str) -> ShoeType | None:
        """The type, of merged ones the one that remains; None for an unknown label."""
        slug = slugify(label.replace("_", "-"))
        slug = self._map.get(slugify(label), self._map.get(slug, slug))
        return self._types.get(slug)
