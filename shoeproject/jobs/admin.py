"""Base class of the admin of jobs: progress, pause, resume and cancel."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from shoeproject.admin_pages import show_errors
from shoeproject.jobs import OPEN_STATES, TRANSITIONS, Job, State

# What a person may do with a job: method of Job → the state it leads to, its name in the message.
JOB_ACTIONS = {
    "pause": (State.PAUSED, "paused"),
    "resume": (State.QUEUED, "queued again"),
    "cancel": (State.CANCELLED, "cancelled"),
}
JOB_FIELDS = ("state", "progress", "error", "asked_by", "created_at", "started_at", "finished_at")


class JobAdmin(admin.ModelAdmin):
    """Admin of a kind of job: `input_fields` are set when it is added and read-only afterwards."""

    actions = ["pause_jobs", "resume_jobs", "cancel_jobs"]
    change_form_template = "admin/job_change_form.html"
    list_filter = ["state"]
    input_fields: tuple[str, ...] = ()
    result_fields: tuple[str, ...] = ()

    class Media:
        js = ["admin/job-progress.js"]
        css = {"all": ["admin/job-progress.css"]}

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return self.input_fields
        return (*self.input_fields, *JOB_FIELDS, *self.result_fields)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # The worker may have read the fields of a job that exists.
        return () if obj is None else self.get_fields(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # The permission to change is for the actions; a row itself is not edited.
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.asked_by = request.user
        super().save_model(request, obj, form, change)
        obj.ring()

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        in_admin = self.admin_site.admin_view
        return [
            path("<int:pk>/progress/", in_admin(self.progress_view), name=f"{name}_progress"),
            *(
                path(
                    f"<int:pk>/change/{action}/", in_admin(self.action_view), {"action": action},
                    name=f"{name}_{action}",
                )
                for action in JOB_ACTIONS
            ),
            *super().get_urls(),
        ]  # fmt: skip

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        job = self.get_object(request, object_id)
        job_actions = []
        if job and self.has_change_permission(request):
            job_actions = [
                (action, action.capitalize())
                for action, (state, _) in JOB_ACTIONS.items()
                if state in TRANSITIONS[job.state]
                # Only its own worker may put a running job back into the queue.
                and not (action == "resume" and job.state == State.RUNNING)
            ]
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), "job_actions": job_actions}
        )

    def action_view(self, request: HttpRequest, pk: int, action: str) -> HttpResponse:
        """Pause, resume or cancel one job and redirect to its page."""
        if request.method != "POST" or not self.has_change_permission(request):
            raise PermissionDenied
        self._apply(request, self.get_queryset(request).filter(pk=pk), action)
        return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", pk)

    def progress_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer with `progress_json`, which the script of the job's page polls."""
        job = self.get_object(request, str(pk))
        if job is None or not self.has_view_permission(request, job):
            raise Http404
        return JsonResponse(self.progress_json(job))

    def progress_json(self, job: Job) -> dict[str, Any]:
        """Return state and progress for the page's script."""
        return {
            "state": job.state,
            "open": job.state in OPEN_STATES,
            "percent": job.percent,
            "text": progress_text(job),
        }

    @admin.display(description="progress")
    def progress(self, job: Job) -> str:
        """Return a progress bar that the page's script updates while the job is open."""
        if job.pk is None:
            return "–"
        address = ""
        if job.state in OPEN_STATES:
            address = reverse(
                f"admin:{self.opts.app_label}_{self.opts.model_name}_progress", args=[job.pk]
            )
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
    def pause_jobs(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._apply(request, queryset, "pause")

    @admin.action(description="Resume", permissions=["change"])
    def resume_jobs(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._apply(request, queryset, "resume")

    @admin.action(description="Cancel", permissions=["change"])
    def cancel_jobs(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._apply(request, queryset, "cancel")

    def _apply(self, request: HttpRequest, queryset: QuerySet, action: str) -> None:
        changed = 0
        for job in queryset:
            with show_errors(self, request):
                getattr(job, action)()
                changed += 1
        if changed:
            self.message_user(request, f"{changed} {JOB_ACTIONS[action][1]}.", messages.SUCCESS)


def progress_text(job: Job) -> str:
    """Return a job's progress in words."""
    if job.progress_total is None:
        return job.progress_what
    return f"{job.progress_done} of {job.progress_total} {job.progress_what}".strip()
