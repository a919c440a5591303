"""The shapes of the curators' API: answers are written with them, and the schema is drawn."""

from django.urls import reverse
from rest_framework import serializers

from curation.issues import reasons
from curation.models import AssessRun, Collection, Review, ShoeImage, Snapshot

JOB_FIELDS = [
    "state", "progress_done", "progress_total", "progress_what", "error", "asked_by",
    "created_at", "started_at", "finished_at",
]  # fmt: skip


def slug(**options):
    """A type by its slug."""
    return serializers.SlugRelatedField("slug", read_only=True, **options)


def person():
    """An account by its name; null where no person did it, or the account is gone."""
    return serializers.SlugRelatedField(
        "username", read_only=True, allow_null=True, help_text="Name of an account, or null"
    )


class ImageShape(serializers.ModelSerializer):
    """An image. Needs `newest`, image → newest decision (primary keys), in the context; `fields`
    there, names, leaves out the rest."""

    label = slug(allow_null=True, help_text="What somebody with the right to says it shows")
    proposed = slug(allow_null=True, help_text="What a visitor or a search claims")
    suggested = serializers.CharField(help_text="What an assessment takes it for, or empty")
    reasons = serializers.SerializerMethodField(help_text="Why it may be worth a look")
    decision = serializers.SerializerMethodField(
        help_text="Its newest decision: give it back as `seen` with one of yours; 0 for none"
    )
    picture = serializers.SerializerMethodField(help_text="Null once it was purged")

    class Meta:
        model = ShoeImage
        fields = [
            "id", "sha256", "stored_sha256", "width", "height", "state", "label", "proposed",
            "suggested", "reasons", "priority", "split", "scene", "group", "source", "collection",
            "query", "rank", "page_url", "file_url", "domain", "title", "licence", "consent",
            "phash", "colour", "created_at", "decision", "picture",
        ]  # fmt: skip

    def get_fields(self):
        """Those asked for."""
        fields, wanted = super().get_fields(), self.context.get("fields")
        return {n: f for n, f in fields.items() if n in wanted} if wanted else fields

    def get_reasons(self, image) -> list[str]:
        """Slugs of the reasons with an open finding."""
        return reasons.slugs(image.reasons)

    def get_decision(self, image) -> int:
        """Primary key of the newest decision."""
        return self.context["newest"].get(image.pk, 0)

    def get_picture(self, image) -> str | None:
        """Where the picture is."""
        return reverse("api-picture", args=[image.sha256]) if image.file_name else None


class ImagePartShape(ImageShape):
    """An image in a list, with the fields asked for."""

    # For the schema alone, which takes what is read only for what is always there.
    def get_fields(self):
        """None of them is sure to be there."""
        fields = super().get_fields()
        for field in fields.values():
            field.required = field.read_only = False
        return fields


class ReviewShape(serializers.ModelSerializer):
    """One decision about one image."""

    image = serializers.SlugRelatedField("sha256", read_only=True)
    by = person()
    label_from = slug(allow_null=True)
    label_to = slug(allow_null=True)

    class Meta:
        model = Review
        fields = [
            "id", "image", "by", "at", "action", "batch", "label_from", "label_to", "state_from",
            "state_to", "undoes", "note",
        ]  # fmt: skip


class CollectionShape(serializers.ModelSerializer):
    """A search of the web for images of one type, and how far it is."""

    type = slug(source="shoe_type")
    asked_by = person()
    report = serializers.DictField(help_text="Found, accepted, refused, and why")

    class Meta:
        model = Collection
        fields = [
            "id", "type", "terms", "count", "filters", "safe_search", "set_label", *JOB_FIELDS,
            "report",
        ]  # fmt: skip


class SnapshotShape(serializers.ModelSerializer):
    """A frozen set of labelled images."""

    created_by = person()
    labels = serializers.SerializerMethodField(help_text="How many labels it holds")

    class Meta:
        model = Snapshot
        fields = [
            "id", "name", "digest", "images", "labels", "filter", "incomplete", "created_by",
            "created_at",
        ]  # fmt: skip

    def get_labels(self, snapshot) -> int:
        """How many labels it holds."""
        return len(snapshot.counts)


class SnapshotFullShape(SnapshotShape):
    """The same with its images counted."""

    counts = serializers.DictField(
        child=serializers.DictField(child=serializers.IntegerField()),
        help_text="Label → split → images",
    )

    class Meta(SnapshotShape.Meta):
        fields = [*SnapshotShape.Meta.fields, "counts"]


class AssessRunShape(serializers.ModelSerializer):
    """One model's look at every image."""

    asked_by = person()
    report = serializers.DictField(help_text="What it found, by reason, and what it took")
    current = serializers.SerializerMethodField(help_text="Whether its findings count now")

    class Meta:
        model = AssessRun
        fields = [
            "id", "embedding", "model_name", "model_digest", "images", "current", *JOB_FIELDS,
            "report",
        ]  # fmt: skip

    def get_current(self, run) -> bool:
        """Whether its findings count now. Needs `current`, a primary key or None."""
        return run.pk == self.context["current"]
