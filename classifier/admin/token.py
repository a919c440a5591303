"""Admin pages of tokens: make one, see it once, revoke it."""

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.cache import add_never_cache_headers

from classifier.access import tokens
from classifier.models import AccessToken
from shoeproject.api.scopes import SCOPES
from shoeproject.errors import ProjectError


class TokenForm(forms.ModelForm):
    """What a token is for, and until when."""

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
        """Make it here, where what is wrong can still be said beside the form."""
        data = super().clean()
        if not self.errors:
            try:
                self.made = tokens.make(
                    self.user, data["name"], data["scopes"], data.get("expires_at")
                )
            except ProjectError as error:
                raise forms.ValidationError(error.detail) from error
        return data


@admin.register(AccessToken)
class AccessTokenAdmin(admin.ModelAdmin):
    """Tokens. Who may add them has own ones; who may view them sees everybody's, never a secret."""

    actions = ["revoke_tokens"]
    change_form_template = "admin/classifier/accesstoken/change_form.html"
    list_display = ["name", "start", "user", "state", "expires_at", "last_used_at"]
    list_filter = ["user"]
    list_select_related = ["user"]
    search_fields = ["name", "start", "user__username"]

    class Media:
        css = {"all": ["admin/job-progress.css", "admin/token.css"]}

    def get_queryset(self, request):
        """Everybody's for operators, else one's own."""
        rows = super().get_queryset(request)
        return rows if super().has_view_permission(request) else rows.filter(user=request.user)

    def get_form(self, request, obj=None, **kwargs):
        """The form for a new one; those that exist are only looked at."""
        if obj is not None:
            return super().get_form(request, obj, **kwargs)
        return type("TokenForm", (TokenForm,), {"user": request.user})

    def get_changeform_initial_data(self, request):
        """With the usual end."""
        return {"expires_at": tokens.default_end(), **super().get_changeform_initial_data(request)}

    def get_fields(self, request, obj=None):
        """What to choose, or what is known."""
        if obj is None:
            return ["name", "scopes", "expires_at"]
        return [
            "name", "user", "state", "start", "granted", "created_at", "expires_at",
            "last_used_at", "revoked_at",
        ]  # fmt: skip

    def get_readonly_fields(self, request, obj=None):
        """A token does not change."""
        return self.get_fields(request, obj) if obj else ()

    def has_module_permission(self, request):
        """Also for those who have own ones."""
        return super().has_module_permission(request) or self.has_add_permission(request)

    def has_view_permission(self, request, obj=None):
        """Everybody's for operators, else one's own."""
        own = obj is None or obj.user_id == request.user.pk
        return super().has_view_permission(request, obj) or (own and self._makes(request))

    def has_change_permission(self, request, obj=None):
        """A token does not change."""
        return False

    def has_delete_permission(self, request, obj=None):
        """Revoked ones stay in sight. An account that has some is deactivated, not deleted."""
        return False

    def has_revoke_permission(self, request, obj=None):
        """Everybody's for operators, else one's own."""
        own = obj is None or obj.user_id == request.user.pk
        return super().has_change_permission(request, obj) or (own and self._makes(request))

    def _makes(self, request) -> bool:
        return super().has_add_permission(request)

    def get_urls(self):
        """The admin's addresses, and that which revokes."""
        view = self.admin_site.admin_view(self.revoke_view)
        name = "classifier_accesstoken_revoke"
        return [path("<int:pk>/change/revoke/", view, name=name), *super().get_urls()]

    def save_form(self, request, form, change):
        """The row the form made."""
        return form.made.token

    def save_model(self, request, obj, form, change):
        """It is saved already."""
        request.made_secret = form.made.secret

    def save_related(self, request, form, formsets, change):
        """Nothing hangs on a token."""

    def response_add(self, request, obj, post_url_continue=None):
        """The token itself, on this page alone: a message would pass through a cookie."""
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "token": obj,
            "title": f"Token “{obj.name}”", "secret": request.made_secret,
        }  # fmt: skip
        response = TemplateResponse(request, "admin/classifier/accesstoken/made.html", context)
        add_never_cache_headers(response)
        return response

    def add_view(self, request, form_url="", extra_context=None):
        """One button: whichever it is, the token is shown next."""
        one = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, {**(extra_context or {}), **one})

    def change_view(self, request, object_id, form_url="", extra_context=None):
        """The token's page, with a button that revokes it."""
        token = self.get_object(request, object_id)
        works = token and token.state == "active" and self.has_revoke_permission(request, token)
        context = {**(extra_context or {}), "may_revoke": works}
        return super().change_view(request, object_id, form_url, context)

    def revoke_view(self, request, pk):
        """Revoke one, and back to its page."""
        token = self.get_object(request, pk)
        if request.method != "POST" or not token or not self.has_revoke_permission(request, token):
            raise PermissionDenied
        self.revoke_tokens(request, self.get_queryset(request).filter(pk=pk))
        return redirect("admin:classifier_accesstoken_change", pk)

    @admin.action(description="Revoke for good", permissions=["revoke"])
    def revoke_tokens(self, request, queryset):
        """Take them back for good."""
        if not super().has_change_permission(request):
            queryset = queryset.filter(user=request.user)
        number = tokens.revoke(queryset)
        for token in queryset:
            self.log_change(request, token, "Revoked.")
        self.message_user(request, f"{number} revoked.", messages.SUCCESS)

    @admin.display
    def state(self, token):
        """Whether it works."""
        return token.state

    @admin.display(description="scopes")
    def granted(self, token):
        """What it may be used for."""
        return ", ".join(token.scopes)
