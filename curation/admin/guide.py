"""Admin of the guide: categories and types."""

from django import forms
from django.contrib import admin
from django.db.models import Count

from curation.admin.merge import MergePages
from curation.models import Category, ShoeType


class LinesField(forms.CharField):
    """A list of sentences, edited as text with one on each line; empty lines are left out."""

    widget = forms.Textarea(attrs={"rows": 5, "cols": 90})

    def __init__(self, **kwargs):
        super().__init__(required=False, help_text="One on a line.", **kwargs)

    def prepare_value(self, value):
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value):
        return [line.strip() for line in (value or "").splitlines() if line.strip()]

    def has_changed(self, initial, data):
        return self.to_python(data) != (initial or [])


class ShoeTypeForm(forms.ModelForm):
    """A type with its lists as lines."""

    search_terms, pros, cons, distinction = (LinesField() for _ in range(4))

    class Meta:
        model = ShoeType
        fields = "__all__"


@admin.register(Category)
class CategoryAdmin(admin.ModelAdmin):
    """Categories: rename and order them. They come with the project, and models know them."""

    list_display = ["name", "slug", "position"]
    readonly_fields = ["slug"]

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


@admin.register(ShoeType)
class ShoeTypeAdmin(MergePages, admin.ModelAdmin):
    """Types, with the guide's text. One that is no longer wanted is merged, never deleted."""

    form = ShoeTypeForm
    list_display = ["name", "category", "kind", "slug", "image_count", "merged_into"]
    list_filter = ["category", "kind"]
    list_select_related = ["category", "merged_into"]
    search_fields = ["name", "slug", "original_label"]
    readonly_fields = ["original_label", "kind", "merged_into"]
    fields = [
        "name",
        "slug",
        "kind",
        "category",
        "original_label",
        "distinction",
        "pros",
        "cons",
        "search_terms",
        "merged_into",
    ]

    def get_readonly_fields(self, request, obj=None):
        # Models and history refer to a type by its slug, so it never changes.
        return [*self.readonly_fields, "slug"] if obj else self.readonly_fields

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(image_count=Count("images"))

    @admin.display(description="images", ordering="image_count")
    def image_count(self, shoe_type):
        """Return how many images have this label, rejected ones too."""
        return shoe_type.image_count

    def has_delete_permission(self, request, obj=None):
        return False
