"""Admin of training runs."""

from django import forms
from django.conf import settings
from django.contrib import admin

from classifier import recipes
from classifier.jobs import training
from classifier.models import Epoch, TrainingRun
from shoeproject.admin_pages import ReadOnlyInline, form_errors
from shoeproject.jobs.admin import JobAdmin


class RunForm(forms.ModelForm):
    """A snapshot to train on, a recipe, and changes to it."""

    recipe = forms.ChoiceField(
        choices=[(name, name) for name in recipes.PRESETS], initial=settings.DEFAULT_RECIPE
    )
    changes = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 4, "cols": 40}),
        required=False,
        help_text="What differs from the recipe, one key=value on a line, such as size=160",
    )

    class Meta:
        model = TrainingRun
        fields = ["snapshot", "recipe", "seed", "evaluate"]

    def clean_changes(self):
        """Return {key: value} of the lines."""
        values = {}
        for line in filter(str.strip, self.cleaned_data["changes"].splitlines()):
            key, equals, value = line.partition("=")
            if not equals:
                raise forms.ValidationError(f"“{line.strip()}”: write it as key=value.")
            values[key.strip()] = value.strip()
        return values

    def clean(self):
        data = super().clean()
        if not self.errors:
            with form_errors():
                training.check(data["snapshot"], data["recipe"], data["changes"])
        return data


class EpochInline(ReadOnlyInline):
    """The epochs of a run."""

    model = Epoch
    fields = ["number", "phase", "images", "train_loss", "valid_loss", "accuracy", "seconds"]
    readonly_fields = fields


@admin.register(TrainingRun)
class TrainingRunAdmin(JobAdmin):
    """Training runs: start one, watch it."""

    form = RunForm
    list_display = ["__str__", "state", "progress", "last_accuracy", "version", "created_at"]
    list_filter = ["state", "recipe"]
    list_select_related = ["snapshot", "version"]
    input_fields = ("snapshot", "recipe", "changes", "seed", "evaluate")
    result_fields = ("device", "started_from", "version")
    inlines = [EpochInline]

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("epochs")

    def get_inlines(self, request, obj):
        return self.inlines if obj else []

    def save_model(self, request, obj, form, change):
        obj.overrides = form.cleaned_data["changes"]
        super().save_model(request, obj, form, change)

    @admin.display(description="changes to the recipe")
    def changes(self, run):
        return ", ".join(f"{key}={value}" for key, value in run.overrides.items()) or "none"

    @admin.display(description="valid accuracy")
    def last_accuracy(self, run):
        epochs = list(run.epochs.all())
        return f"{epochs[-1].accuracy:.1%}" if epochs else "–"

    @admin.display
    def version(self, run):
        return getattr(run, "version", None) or "–"
