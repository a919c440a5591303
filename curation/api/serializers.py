"""Serializers of the curators' API."""

from django.urls import reverse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from curation.issues import reasons
from curation.models import AssessRun, Collection, Review, ShoeImage, Snapshot
from shoeproject.api.pagination import PageQuerySerializer
from shoeproject.jobs import State

JOB_FIELDS = [
    "state", "progress_done", "progress_total", "progress_what", "error", "asked_by",
    "created_at", "started_at", "finished_at",
]  # fmt: skip


def type_field(**options) -> serializers.Field:
    """A shoe type by its slug."""
    return serializers.SlugRelatedField("slug", read_only=True, **options)


def account_field() -> serializers.Field:
    """An account by its name; null where no person did it, or the account is gone."""
    return serializers.SlugRelatedField(
        "username", read_only=True, allow_null=True, help_text="Name of an account, or null"
    )


class JobQuerySerializer(PageQuerySerializer):
    """Which jobs of a list."""

    state = serializers.ChoiceField(sorted(State.values), required=False)


class ImageSerializer(serializers.ModelSerializer):
    """An image.

    The context has `newest`, image → newest decision (primary keys), and `fields`, the names of
    the fields to write; empty for all.
    """

    label = type_field(
        allow_null=True, help_text="The type that it shows, as decided by somebody who may"
    )
    proposed = type_field(allow_null=True, help_text="What a visitor or a search claims")
    suggested = serializers.CharField(help_text="The type that an assessment suggests, or empty")
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
        fields, wanted = super().get_fields(), self.context.get("fields")
        return {n: f for n, f in fields.items() if n in wanted} if wanted else fields

    def get_reasons(self, image) -> list[str]:
        return reasons.slugs(image.reasons)

    def get_decision(self, image) -> int:
        return self.context["newest"].get(image.pk, 0)

    def get_picture(self, image) -> str | None:
        return reverse("api-picture", args=[image.sha256]) if image.file_name else None


@extend_schema_serializer(component_name="ImagePartShape")
class ListedImageSerializer(ImageSerializer):
    """An image in a list, with the requested fields."""

    # For the schema, which takes a read-only field for one that is always there.
    def get_fields(self):
        fields = super().get_fields()
        for field in fields.values():
            field.required = field.read_only = False
        return fields


class ReviewSerializer(serializers.ModelSerializer):
    """One decision about one image."""

    image = serializers.SlugRelatedField("sha256", read_only=True)
    by = account_field()
    label_from = type_field(allow_null=True)
    label_to = type_field(allow_null=True)

    class Meta:
        model = Review
        fields = [
            "id", "image", "by", "at", "action", "batch", "label_from", "label_to", "state_from",
            "state_to", "undoes", "note",
        ]  # fmt: skip


class CollectionSerializer(serializers.ModelSerializer):
    """A search of the web for images of one type, and how far it is."""

    type = type_field(source="shoe_type")
    asked_by = account_field()
    report = serializers.DictField(help_text="Found, accepted, refused, and why")

    class Meta:
        model = Collection
        fields = [
            "id", "type", "terms", "count", "filters", "safe_search", "set_label", *JOB_FIELDS,
            "report",
        ]  # fmt: skip


class SnapshotSerializer(serializers.ModelSerializer):
    """A frozen set of labelled images."""

    created_by = account_field()
    labels = serializers.SerializerMethodField(help_text="How many labels it holds")

    class Meta:
        model = Snapshot
        fields = [
            "id", "name", "digest", "images", "labels", "filter", "incomplete", "created_by",
            "created_at",
        ]  # fmt: skip

    def get_labels(self, snapshot) -> int:
        return len(snapshot.counts)


class SnapshotFullSerializer(SnapshotSerializer):
    """The same with its images counted."""

    counts = serializers.DictField(
        child=serializers.DictField(child=serializers.IntegerField()),
        help_text="Label → split → images",
    )

    class Meta(SnapshotSerializer.Meta):
        fields = [*SnapshotSerializer.Meta.fields, "counts"]


class AssessRunSerializer(serializers.ModelSerializer):
    """One model's assessment of every image. The context has `current`, a primary key or None."""

    asked_by = account_field()
    report = serializers.DictField(help_text="What it found, by reason, and what it took")
    current = serializers.SerializerMethodField(help_text="Whether its findings count now")

    class Meta:
        model = AssessRun
        fields = [
            "id", "embedding", "model_name", "model_digest", "images", "current", *JOB_FIELDS,
            "report",
        ]  # fmt: skip

    def get_current(self, run) -> bool:
        return run.pk == self.context["current"]
