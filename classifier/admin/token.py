"""Admin of access tokens: make one, see it once, revoke it."""

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect
from django.utils.cache import add_never_cache_headers

from classifier.access import tokens
from classifier.models import AccessToken
from shoeproject.admin_pages import AdminPages, admin_page, form_errors
from shoeproject.api.scopes import SCOPES


class TokenForm(forms.ModelForm):
    """What a token may do, and until when; `user`, whose it is, is set by a subclass."""

    scopes = forms.MultipleChoiceField(
        choices=[(scope, f"{scope}: {meaning}") for scope, meaning in SCOPES.items()],
        widget=forms.CheckboxSelectMultiple,
        help_text="Whatever you choose, it can never do more than you may.",
    )
    expires_at = forms.SplitDateTimeField(
        label="Expires", required=False, widget=AdminSplitDateTime
    )

    class Meta:
        model = AccessToken
        fields = ["name", "scopes", "expires_at"]

    def clean(self):
        data = super().clean()
        if not self.errors:
            # Making it here, and not on saving, shows what is wrong beside the form.
            with form_errors():
                self.made = tokens.make(
                    self.user, data["name"], data["scopes"], data.get("expires_at")
                )
        return data


@admin.register(AccessToken)
class AccessTokenAdmin(AdminPages, admin.ModelAdmin):
    """Tokens. With the permission to add, people see and revoke their own; with those to view and
    to change, everybody's. Nobody sees a secret again."""

    actions = ["revoke_tokens"]
    change_form_template = "admin/classifier/accesstoken/change_form.html"
    list_display = ["name", "start", "user", "state", "expires_at", "last_used_at"]
    list_filter = ["user"]
    list_select_related = ["user"]
    search_fields = ["name", "start", "user__username"]

    class Media:
        css = {"all": ["admin/job-progress.css", "admin/token.css"]}

    def get_queryset(self, request):
        rows = super().get_queryset(request)
        return rows if super().has_view_permission(request) else rows.filter(user=request.user)

    def get_form(self, request, obj=None, **kwargs):
        if obj is not None:
            return super().get_form(request, obj, **kwargs)
        return type("TokenForm", (TokenForm,), {"user": request.user})

    def get_changeform_initial_data(self, request):
        return {"expires_at": tokens.default_end(), **super().get_changeform_initial_data(request)}

    def get_fields(self, request, obj=None):
        if obj is None:
            return ["name", "scopes", "expires_at"]
        return [
            "name", "user", "state", "start", "granted", "created_at", "expires_at",
            "last_used_at", "revoked_at",
        ]  # fmt: skip

    def get_readonly_fields(self, request, obj=None):
        return self.get_fields(request, obj) if obj else ()

    def has_module_permission(self, request):
        return super().has_module_permission(request) or self.has_add_permission(request)

    def has_view_permission(self, request, obj=None):
        return super().has_view_permission(request, obj) or self._is_own(request, obj)

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        # Revoked tokens stay listed. A user who has some is deactivated, not deleted.
        return False

    def has_revoke_permission(self, request, obj=None):
        return super().has_change_permission(request, obj) or self._is_own(request, obj)

    def _is_own(self, request, obj):
        own = obj is None or obj.user_id == request.user.pk
        return own and self.has_add_permission(request)

    def save_form(self, request, form, change):
        return form.made.token

    def save_model(self, request, obj, form, change):
        # `tokens.make` saved the row.
        request.made_secret = form.made.secret

    def save_related(self, request, form, formsets, change):
        """Do nothing: a token has no related rows."""

    def response_add(self, request, obj, post_url_continue=None):
        # A page of its own shows the secret, because a message would pass through a cookie.
        template, title = "admin/classifier/accesstoken/made.html", f"Token “{obj.name}”"
        response = self.render_page(request, template, title, token=obj, secret=request.made_secret)
        add_never_cache_headers(response)
        return response

    def render_change_form(self, request, context, **kwargs):
        token = kwargs["obj"]
        context["show_save_and_add_another"] = context["show_save_and_continue"] = False
        context["may_revoke"] = (
            token and token.state == "active" and self.has_revoke_permission(request, token)
        )
        return super().render_change_form(request, context, **kwargs)

    @admin_page("<int:pk>/change/revoke/", "accesstoken_revoke", post=True)
    def revoke_view(self, request, pk):
        """Revoke one token and redirect to its page."""
        token = self.get_object(request, pk)
        if not token or not self.has_revoke_permission(request, token):
            raise PermissionDenied
        self.revoke_tokens(request, self.get_queryset(request).filter(pk=pk))
        return redirect("admin:classifier_accesstoken_change", pk)

    @admin.action(description="Revoke for good", permissions=["revoke"])
    def revoke_tokens(self, request, queryset):
        if not super().has_change_permission(request):
            queryset = queryset.filter(user=request.user)
        number = tokens.revoke(queryset)
        for token in queryset:
            self.log_change(request, token, "Revoked.")
        self.message_user(request, f"{number} revoked.", messages.SUCCESS)

    @admin.display(description="scopes")
    def granted(self, token):
        return ", ".join(token.scopes)
