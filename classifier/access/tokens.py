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

# Lets people and secret scanners recognise a leaked token.
PREFIX = "shoe_"
# Characters stored to tell tokens apart: the prefix and 24 of 256 random bits.
START_LENGTH = len(PREFIX) + 4
LAST_USED_SECONDS = 60


class TokenUnknown(ClassifierError):
    """No token of this site has this secret."""

    code = "token_unknown"
    message = "This token is not known here; check that it was copied whole, or make a new one."


class TokenExpired(ClassifierError):
    """The token has expired."""

    code = "token_expired"
    message = "This token has expired; make a new one in the admin."


class TokenRevoked(ClassifierError):
    """The token was revoked."""

    code = "token_revoked"
    message = "This token was revoked; make a new one in the admin."


class TokenOwnerInactive(ClassifierError):
    """The token's account may not log in any more."""

    code = "token_owner_inactive"
    message = "The account of this token is not active any more; ask an operator."


class TokenRefused(ClassifierError):
    """A token cannot be made with these scopes, this end, or for this account."""

    why: str
    code = "token_refused"
    message = "{why}"


@dataclass(frozen=True)
class NewToken:
    """A new token: its row, and the secret, which is not stored."""

    token: AccessToken
    secret: str


def make(user, name: str, scopes, expires_at=None) -> NewToken:
    """Make a token of `user`. `expires_at`: None for no end. Raises `TokenRefused`.

    A token may do what its scopes allow, and never more than the user may.
    """
    chosen = [scope for scope in SCOPES if scope in set(scopes)]
    if not chosen or set(scopes) - set(SCOPES):
        raise TokenRefused(f"Choose what the token may be used for: {', '.join(SCOPES)}.")
    _check_end(expires_at)
    valid = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    if user.access_tokens.filter(valid, revoked_at=None).count() >= settings.TOKENS_PER_USER:
        raise TokenRefused(
            f"You have {settings.TOKENS_PER_USER} tokens that work; revoke one that is not needed."
        )
    secret = PREFIX + secrets.token_urlsafe(32)
    token = AccessToken.objects.create(
        user=user, name=name, scopes=chosen, start=secret[:START_LENGTH], digest=digest(secret),
        expires_at=expires_at,
    )  # fmt: skip
    return NewToken(token, secret)


def default_end():
    """The default end of a token; None for no end."""
    days = settings.TOKEN_DAYS
    end = timezone.now() + timedelta(days=days) if days else None
    return end and end.replace(second=0, microsecond=0)


def find(secret: str) -> AccessToken:
    """Return the valid token with this secret, with its user, and record its use.

    Raises `TokenUnknown`, `TokenRevoked`, `TokenExpired` or `TokenOwnerInactive`.
    """
    token = AccessToken.objects.select_related("user").filter(digest=digest(secret)).first()
    if token is None:
        raise TokenUnknown
    if token.state == "revoked":
        raise TokenRevoked
    if token.state == "expired":
        raise TokenExpired
    if not token.user.is_active:
        raise TokenOwnerInactive
    _record_use(token)
    return token


def revoke(tokens) -> int:
    """Revoke these tokens (a queryset) for good; returns how many were revoked."""
    return tokens.filter(revoked_at=None).update(revoked_at=timezone.now())


def digest(secret: str) -> str:
    """The stored SHA-256 of a secret, which is random and long: a slow hash would add nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _record_use(token: AccessToken) -> None:
    """Write the time of use, once a minute at most: one write per request would be too slow."""
    now = timezone.now()
    before = now - timedelta(seconds=LAST_USED_SECONDS)
    if token.last_used_at is None or token.last_used_at <= before:
        AccessToken.objects.filter(
            Q(last_used_at=None) | Q(last_used_at__lte=before), pk=token.pk
        ).update(last_used_at=now)


def _check_end(expires_at) -> None:
    max_days = settings.TOKEN_DAYS_MOST
    if expires_at is None:
        if max_days:
            raise TokenRefused(f"A token needs an end, {max_days} days from now at most.")
        return
    now = timezone.now()
    if expires_at <= now:
        raise TokenRefused("The token would have expired already; choose a later end.")
    # A day more, because people who count days on a calendar count from midnight.
    if max_days and expires_at > now + timedelta(days=max_days + 1):
        raise TokenRefused(f"A token ends {max_days} days from now at most; choose an earlier end.")
