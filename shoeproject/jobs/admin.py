"""What the admin pages of all jobs share: state, progress, and pause, resume, cancel."""

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, JsonResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.html import format_html

from shoeproject.errors import ProjectError
from shoeproject.jobs import OPEN_STATES, TRANSITIONS, State

# What a person may do with a job: the state it leads to, and what is said when it is done.
VERBS = {
    "pause": (State.PAUSED, "paused"),
    "resume": (State.QUEUED, "queued again"),
    "cancel": (State.CANCELLED, "cancelled"),
}
RUNNING_AGAIN = ("resume", State.RUNNING)
JOB_FIELDS = ("state", "progress", "error", "asked_by", "created_at", "started_at", "finished_at")


def say_error(modeladmin, request, error: ProjectError) -> None:
    """Word a project error for the admin: the one place that does."""
    modeladmin.message_user(request, error.detail, messages.ERROR)


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that the project writes and people only read."""

    def has_add_permission(self, request, obj=None):
        """Nobody adds by hand."""
        return False

    def has_change_permission(self, request, obj=None):
        """Nobody changes by hand."""
        return False

    def has_delete_permission(self, request, obj=None):
        """Nobody deletes by hand."""
        return False


class JobAdmin(admin.ModelAdmin):
    """A job: what it was asked for is set once, when it is added; then it is watched."""

    actions = ["pause_jobs", "resume_jobs", "cancel_jobs"]
    change_form_template = "admin/job_change_form.html"
    list_filter = ["state"]
    asked_fields: tuple[str, ...] = ()
    result_fields: tuple[str, ...] = ()

    class Media:
        js = ["admin/job-progress.js"]
        css = {"all": ["admin/job-progress.css"]}

    def get_fields(self, request, obj=None):
        """What is asked for; once there is a job, how it goes as well."""
        return self.asked_fields if obj is None else (
            *self.asked_fields, *JOB_FIELDS, *self.result_fields
        )  # fmt: skip

    def get_readonly_fields(self, request, obj=None):
        """A job that exists is not edited: its worker may have read it already."""
        return () if obj is None else self.get_fields(request, obj)

    def has_change_permission(self, request, obj=None):
        """The permission to change is for the actions; a row itself is not edited."""
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request, obj=None):
        """Jobs are history."""
        return False

    def get_urls(self):
        """The admin's addresses, one for a job's progress and one for each verb."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        progress = self.admin_site.admin_view(self.progress_view)
        verb = self.admin_site.admin_view(self.verb_view)
        return [
            path("<int:pk>/progress/", progress, name=f"{name}_progress"),
            *(
                path(f"<int:pk>/change/{word}/", verb, {"verb": word}, name=f"{name}_{word}")
                for word in VERBS
            ),
            *super().get_urls(),
        ]

    def change_view(self, request, object_id, form_url="", extra_context=None):
        """The job's page, with a button for whatever can be done with it now."""
        job = self.get_object(request, object_id)
        allowed = job and self.has_change_permission(request)
        verbs = [
            (verb, verb.capitalize())
            for verb, (state, _) in VERBS.items()
            # A running job goes back to the queue by itself only.
            if allowed and state in TRANSITIONS[job.state] and (verb, job.state) != RUNNING_AGAIN
        ]
        context = {**(extra_context or {}), "verbs": verbs}
        return super().change_view(request, object_id, form_url, context)

    def verb_view(self, request, pk, verb):
        """Pause, resume or cancel one job, and back to its page."""
        if request.method != "POST" or not self.has_change_permission(request):
            raise PermissionDenied
        self._each(request, self.get_queryset(request).filter(pk=pk), verb)
        return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", pk)

    def progress_view(self, request, pk):
        """How far a job is, as JSON, for the page that shows it."""
        job = self.get_object(request, pk)
        if job is None or not self.has_view_permission(request, job):
            raise Http404
        return JsonResponse(self.progress_json(job))

    def progress_json(self, job) -> dict:
        """What the page's script is told about a job."""
        return {
            "state": job.state,
            "open": job.state in OPEN_STATES,
            "percent": job.percent,
            "text": progress_text(job),
        }

    @admin.display(description="progress")
    def progress(self, job):
        """A bar that the page's script keeps up to date while the job is open."""
        if job.pk is None:
            return "–"
        address = ""
        if job.state in OPEN_STATES:
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_progress"
            address = reverse(name, args=[job.pk])
        return format_html(
            '<span class="job-progress" data-address="{}" data-state="{}">'
            '<progress max="100" value="{}" aria-label="progress"></progress> '
            '<span class="job-text">{}</span></span>',
            address,
            job.state,
            job.percent or 0,
            progress_text(job),
        )

    @admin.action(description="Pause", permissions=["change"])
    def pause_jobs(self, request, queryset):
        """Stop within seconds; what is done stays."""
        self._each(request, queryset, "pause")

    @admin.action(description="Resume", permissions=["change"])
    def resume_jobs(self, request, queryset):
        """Go on with what is paused or failed."""
        self._each(request, queryset, "resume")

    @admin.action(description="Cancel", permissions=["change"])
    def cancel_jobs(self, request, queryset):
        """Stop within seconds, for good."""
        self._each(request, queryset, "cancel")

    def _each(self, request, queryset, verb):
        changed = 0
        for job in queryset:
            try:
                getattr(job, verb)()
                changed += 1
            except ProjectError as error:
                say_error(self, request, error)
        if changed:
            self.message_user(request, f"{changed} {VERBS[verb][1]}.", messages.SUCCESS)


def progress_text(job) -> str:
    """A job's progress in words."""
    if job.progress_total is None:
        return job.progress_what
    return f"{job.progress_done} of {job.progress_total} {job.progress_what}".strip()
