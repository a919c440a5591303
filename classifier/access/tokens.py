"""Making, finding and revoking tokens."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from classifier.errors import ClassifierError
from classifier.models import AccessToken
from shoeproject.api.scopes import SCOPES

# Known to whoever finds a token where it should not be, and to programs that look for such.
PREFIX = "shoe_"
RANDOM_BYTES = 32
# Characters kept to tell tokens apart: the prefix and 24 of 256 random bits.
KEPT = len(PREFIX) + 4
USE_NOTED_SECONDS = 60


class TokenUnknown(ClassifierError):
    """No such token was made here."""

    code = "token_unknown"
    message = "This token is not known here; check that it was copied whole, or make a new one."


class TokenExpired(ClassifierError):
    """Its time is over."""

    code = "token_expired"
    message = "This token has expired; make a new one in the admin."


class TokenRevoked(ClassifierError):
    """Somebody took it back."""

    code = "token_revoked"
    message = "This token was revoked; make a new one in the admin."


class TokenOwnerInactive(ClassifierError):
    """The account it belongs to may not log in any more."""

    code = "token_owner_inactive"
    message = "The account of this token is not active any more; ask an operator."


class TokenRefused(ClassifierError):
    """A token cannot be made like this."""

    why: str
    code = "token_refused"
    message = "{why}"


@dataclass(frozen=True)
class Made:
    """A new token: its row, and the secret that nobody can read again."""

    token: AccessToken
    secret: str


def make(user, name: str, scopes, expires_at=None) -> Made:
    """A new token of `user`. `expires_at`: None for one that lasts for ever. Raises `TokenRefused`.

    It can do what its scopes say, and never more than the user may.
    """
    chosen = [scope for scope in SCOPES if scope in set(scopes)]
    if not chosen or set(scopes) - set(SCOPES):
        raise TokenRefused(f"Choose what the token may be used for: {', '.join(SCOPES)}.")
    _check_end(expires_at)
    if _usable().filter(user=user).count() >= settings.TOKENS_PER_USER:
        raise TokenRefused(
            f"You have {settings.TOKENS_PER_USER} tokens that work; revoke one that is not needed."
        )
    secret = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    token = AccessToken.objects.create(
        user=user, name=name, scopes=chosen, start=secret[:KEPT], digest=digest(secret),
        expires_at=expires_at,
    )  # fmt: skip
    return Made(token, secret)


def default_end():
    """When a token ends where nobody says otherwise; None for never."""
    days = settings.TOKEN_DAYS
    end = timezone.now() + timedelta(days=days) if days else None
    return end and end.replace(second=0, microsecond=0)


def find(secret: str) -> AccessToken:
    """The row of a token that works, with its user. Notes that it was used.

    Raises `TokenUnknown`, `TokenRevoked`, `TokenExpired` or `TokenOwnerInactive`.
    """
    rows = AccessToken.objects.select_related("user").filter(digest=digest(secret))
    token = rows.first()
    if token is None:
        raise TokenUnknown
    if token.state == "revoked":
        raise TokenRevoked
    if token.state == "expired":
        raise TokenExpired
    if not token.user.is_active:
        raise TokenOwnerInactive
    _note_use(token)
    return token


def revoke(tokens) -> int:
    """Take these tokens (a queryset) back for good; returns how many that were."""
    return tokens.filter(revoked_at=None).update(revoked_at=timezone.now())


def digest(secret: str) -> str:
    """What is kept of a token. It is random and long, so a slow hash would protect nothing more."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _note_use(token: AccessToken) -> None:
    """Once a minute at most: a write for each request would be too dear."""
    now = timezone.now()
    before = now - timedelta(seconds=USE_NOTED_SECONDS)
    if token.last_used_at is None or token.last_used_at <= before:
        row = AccessToken.objects.filter(pk=token.pk)
        row.filter(Q(last_used_at=None) | Q(last_used_at__lte=before)).update(last_used_at=now)


def _usable():
    alive = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return AccessToken.objects.filter(alive, revoked_at=None)


def _check_end(expires_at) -> None:
    most = settings.TOKEN_DAYS_MOST
    if expires_at is None:
        if most:
            raise TokenRefused(f"A token needs an end, {most} days from now at most.")
        return
    now = timezone.now()
    if expires_at <= now:
        raise TokenRefused("The token would have expired already; choose a later end.")
    # A day more: whoever counts days on a calendar counts from midnight.
    if most and expires_at > now + timedelta(days=most + 1):
        raise TokenRefused(f"A token ends {most} days from now at most; choose an earlier end.")
