"""Access tokens, for programs."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class AccessToken(models.Model):
    """A token of one account. Only its digest is stored: the token itself cannot be read again."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="access_tokens", editable=False
    )
    name = models.CharField(max_length=80, help_text="What it is for, so that you know it again")
    scopes = models.JSONField(default=list, help_text="What it may be used for")
    start = models.CharField(
        max_length=16, editable=False, help_text="Its first characters, to tell tokens apart"
    )
    digest = models.CharField(
        max_length=64, unique=True, editable=False, help_text="SHA-256 of the token"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField("expires", null=True, blank=True)
    last_used_at = models.DateTimeField(
        "last used", null=True, editable=False, help_text="To the minute"
    )
    revoked_at = models.DateTimeField("revoked", null=True, editable=False)

    class Meta:
        ordering = ["-id"]

    def __str__(self):
        return f"{self.name} ({self.start}…)"

    @property
    def client(self) -> str:
        """Key that a request's limits are counted under."""
        return f"token:{self.pk}"

    @property
    def state(self) -> str:
        """One of: active, expired, revoked."""
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at and self.expires_at <= timezone.now() else "active"
