"""Admin pages of training runs."""

from django import forms
from django.conf import settings
from django.contrib import admin

from classifier import recipes
from classifier.jobs import training
from classifier.models import Epoch, TrainingRun
from shoeproject.errors import ProjectError
from shoeproject.jobs.admin import JobAdmin


class RunForm(forms.ModelForm):
    """What to train, and how."""

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
        """Lines → {key: value}."""
        values = {}
        for line in filter(str.strip, self.cleaned_data["changes"].splitlines()):
            key, equals, value = line.partition("=")
            if not equals:
                raise forms.ValidationError(f"“{line.strip()}”: write it as key=value.")
            values[key.strip()] = value.strip()
        return values

    def clean(self):
        """Let the recipe itself say what it does not take."""
        data = super().clean()
        if not self.errors:
            try:
                training.check(data["snapshot"], data["recipe"], data["changes"])
            except ProjectError as error:
                raise forms.ValidationError(error.detail) from error
        return data


class EpochInline(admin.TabularInline):
    """The epochs of a run."""

    model = Epoch
    fields = ["number", "phase", "images", "train_loss", "valid_loss", "accuracy", "seconds"]
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request, obj=None):
        """The training writes them."""
        return False

    def has_change_permission(self, request, obj=None):
        """The training writes them."""
        return False


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
        """With the epochs, for the last one's accuracy."""
        return super().get_queryset(request).prefetch_related("epochs")

    def get_inlines(self, request, obj):
        """Nothing to show before there is a run."""
        return self.inlines if obj else []

    def save_model(self, request, obj, form, change):
        """Queue it."""
        obj.overrides = form.cleaned_data["changes"]
        obj.asked_by = request.user
        super().save_model(request, obj, form, change)
        obj.ring()

    @admin.display(description="changes to the recipe")
    def changes(self, run):
        """As they were asked for."""
        return ", ".join(f"{key}={value}" for key, value in run.overrides.items()) or "none"

    @admin.display(description="valid accuracy")
    def last_accuracy(self, run):
        """Of the last epoch so far."""
        epochs = list(run.epochs.all())
        return f"{epochs[-1].accuracy:.1%}" if epochs else "–"

    @admin.display
    def version(self, run):
        """What came out."""
        return getattr(run, "version", None) or "–"
