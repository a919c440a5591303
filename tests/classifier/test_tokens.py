"""Tokens: making, using and revoking them; their scopes and limits."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from classifier.access import tokens
from classifier.models import AccessToken
from shoeproject.api.scopes import SCOPES, required_scope

pytestmark = pytest.mark.django_db
IMAGES, TYPES = "/api/v1/images/", "/api/v1/types/"
ADD = "admin:classifier_accesstoken_add"
ENOUGH = timezone.now() + timedelta(days=30)


@pytest.fixture
def curator(member):
    return member("Curator")


def make(user, *scopes, expires_at=None):
    return tokens.make(user, "robot", scopes or ["curation:read"], expires_at or ENOUGH)


def bearer(secret) -> dict:
    return {"HTTP_AUTHORIZATION": f"Bearer {secret}"}


def assert_refused(response, status, code):
    body = response.json()
    assert (response.status_code, body["code"]) == (status, code), body
    assert response["Content-Type"] == "application/problem+json"
    assert body["detail"].endswith(".")
    return response


# --- making and finding -----------------------------------------------------------------------


def test_only_a_digest_is_stored(curator):
    made = make(curator)
    assert made.secret.startswith("shoe_") and len(made.secret) > 40
    row = AccessToken.objects.values().get()
    assert row["start"] == made.secret[:9]
    assert made.secret not in str(row)
    assert made.secret[9:] not in str(row)


def test_two_tokens_differ(curator):
    assert make(curator).secret != make(curator).secret


@pytest.mark.parametrize("scopes", [[], ["nonsense"], ["predict", "nonsense"]])
def test_scopes_are_known_ones(curator, scopes):
    with pytest.raises(tokens.TokenRefused, match="predict"):
        tokens.make(curator, "x", scopes, ENOUGH)


def test_an_expiry_is_required_and_limited(curator, settings):
    settings.TOKEN_DAYS_MOST = 10
    for end in (None, timezone.now() - timedelta(1), timezone.now() + timedelta(12)):
        with pytest.raises(tokens.TokenRefused):
            tokens.make(curator, "x", ["predict"], end)
    settings.TOKEN_DAYS_MOST = 0
    forever = tokens.make(curator, "x", ["predict"], None)
    assert tokens.find(forever.secret).expires_at is None


def test_an_account_has_a_limited_number_of_tokens(curator, settings):
    settings.TOKENS_PER_USER = 2
    first, _ = make(curator), make(curator)
    with pytest.raises(tokens.TokenRefused, match="2 tokens"):
        make(curator)
    tokens.revoke(AccessToken.objects.filter(pk=first.token.pk))
    assert make(curator)


def test_use_is_noted_once_a_minute(curator, django_assert_num_queries):
    secret = make(curator).secret
    tokens.find(secret)
    noted = AccessToken.objects.get().last_used_at
    assert noted
    with django_assert_num_queries(1):
        tokens.find(secret)
    assert AccessToken.objects.get().last_used_at == noted
    AccessToken.objects.update(last_used_at=noted - timedelta(seconds=61))
    tokens.find(secret)
    assert AccessToken.objects.get().last_used_at >= noted


# --- in the API -------------------------------------------------------------------------------


def test_a_token_allows_what_its_scope_says(client, curator):
    assert client.get(IMAGES, **bearer(make(curator).secret)).status_code == 200


def test_a_request_without_a_token_is_refused(client):
    response = assert_refused(client.get(IMAGES), 401, "not_authenticated")
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize("secret", ["shoe_nonsense", "", "a b", "é", "x" * 5000])
def test_an_unknown_token_is_refused(client, secret):
    for address in (IMAGES, TYPES):
        response = client.get(address, HTTP_AUTHORIZATION=f"Bearer {secret}")
        assert_refused(response, 401, "token_unknown")
        assert response["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'


def test_an_expired_token_is_refused(client, curator):
    made = make(curator)
    AccessToken.objects.update(expires_at=timezone.now())
    assert_refused(client.get(IMAGES, **bearer(made.secret)), 401, "token_expired")


def test_a_revoked_token_is_refused(client, curator):
    made = make(curator)
    tokens.revoke(AccessToken.objects.all())
    assert_refused(client.get(IMAGES, **bearer(made.secret)), 401, "token_revoked")


def test_tokens_of_an_account_that_was_deactivated_fail(client, curator):
    made = make(curator)
    curator.is_active = False
    curator.save()
    assert_refused(client.get(IMAGES, **bearer(made.secret)), 401, "token_owner_inactive")


def test_a_token_without_the_scope_is_refused(client, curator):
    made = make(curator, "predict")
    response = assert_refused(client.get(IMAGES, **bearer(made.secret)), 403, "scope_missing")
    assert "curation:read" in response.json()["detail"]
    assert 'error="insufficient_scope", scope="curation:read"' in response["WWW-Authenticate"]


def test_reading_does_not_allow_writing(client, curator):
    made = make(curator, "curation:read")
    response = client.post(
        "/api/v1/snapshots/", {"name": "x"}, "application/json", **bearer(made.secret)
    )
    assert_refused(response, 403, "scope_missing")


def test_a_token_never_does_more_than_its_owner_may(client, member):
    nobody = make(member(name="nobody"), *SCOPES)
    assert_refused(client.get(IMAGES, **bearer(nobody.secret)), 403, "permission_denied")
    trainer = make(member("Trainer", name="tra"), *SCOPES)
    assert client.get(IMAGES, **bearer(trainer.secret)).status_code == 200
    response = client.post(
        "/api/v1/reviews/", {"action": "reject", "images": ["0" * 64]}, "application/json",
        **bearer(trainer.secret),
    )  # fmt: skip
    assert_refused(response, 403, "permission_denied")


def test_a_permission_that_is_taken_away_is_gone_at_once(client, curator):
    made = make(curator)
    curator.groups.clear()
    assert_refused(client.get(IMAGES, **bearer(made.secret)), 403, "permission_denied")


def test_public_views_need_no_token_and_check_one(client, curator):
    assert client.get(TYPES).status_code == 200
    assert client.get(TYPES, **bearer(make(curator, "guide").secret)).status_code == 200
    made = make(curator, "predict")
    assert_refused(client.get(TYPES, **bearer(made.secret)), 403, "scope_missing")


def test_other_kinds_of_authorization_are_ignored(client):
    assert client.get(TYPES, HTTP_AUTHORIZATION="Basic eDp5").status_code == 200


def test_a_session_still_needs_a_csrf_token(curator):
    client = Client(enforce_csrf_checks=True)
    client.force_login(curator)
    assert client.get(IMAGES).status_code == 200
    body = {"action": "reject", "images": ["0" * 64]}
    assert client.post("/api/v1/reviews/", body, "application/json").status_code == 403
    made = make(curator, "curation:write")
    answer = client.post("/api/v1/reviews/", body, "application/json", **bearer(made.secret))
    assert answer.json()["code"] == "image_unknown"


def test_a_view_without_a_scope_accepts_no_token():
    class Bare:
        pass

    assert required_scope(Bare(), "GET") is None


def test_every_view_of_the_api_requires_a_known_scope():
    from shoeproject.urls import urlpatterns

    views = [v for v in _views(urlpatterns) if issubclass(v, _api_view())]
    scoped = [v for v in views if any("Token" in a.__name__ for a in v.authentication_classes)]
    assert len(scoped) > 10
    for view in scoped:
        methods = [m for m in ("GET", "POST", "PUT", "DELETE") if hasattr(view, m.lower())]
        assert {required_scope(view, method) for method in methods} <= set(SCOPES), view


def _views(patterns):
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from _views(pattern.url_patterns)
        elif view := getattr(pattern.callback, "cls", None):
            yield view


def _api_view():
    from rest_framework.views import APIView

    return APIView


# --- in the admin -----------------------------------------------------------------------------


def form(**changes):
    end = timezone.localtime(ENOUGH)
    return {
        "name": "robot", "scopes": ["predict", "guide"], "expires_at_0": f"{end:%Y-%m-%d}",
        "expires_at_1": f"{end:%H:%M:%S}", **changes,
    }  # fmt: skip


def test_a_new_token_is_shown_once_and_works(client, curator):
    client.force_login(curator)
    page = client.post(reverse(ADD), form())
    row = AccessToken.objects.get()
    secret = page.context["secret"]
    assert page.status_code == 200 and secret in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    assert (row.user, row.scopes) == (curator, ["predict", "guide"])
    assert tokens.find(secret) == row
    later = client.get(reverse("admin:classifier_accesstoken_change", args=[row.pk]))
    assert secret[:9] in later.content.decode() and secret not in later.content.decode()
    assert secret not in str(client.cookies)
    assert secret not in str(list(row.user.logentry_set.values()))


def test_the_form_proposes_the_usual_end(client, curator, settings):
    settings.TOKEN_DAYS = 7
    client.force_login(curator)
    proposed = client.get(reverse(ADD)).context["adminform"].form["expires_at"].value()
    assert abs(proposed - timezone.now() - timedelta(days=7)) < timedelta(minutes=2)


def test_a_refusal_is_shown_beside_the_form(client, curator):
    client.force_login(curator)
    page = client.post(reverse(ADD), form(expires_at_0="", expires_at_1=""))
    assert "A token needs an end" in page.content.decode()
    assert not AccessToken.objects.exists()


def test_making_tokens_needs_the_permission(client, member):
    client.force_login(member(name="nobody"))
    assert client.post(reverse(ADD), form()).status_code == 403
    assert client.get(reverse("admin:classifier_accesstoken_changelist")).status_code == 403


def test_people_see_their_own_and_operators_all(client, member, curator):
    own, other = make(curator), make(member("Curator", name="other"))
    for user, seen in ((curator, 1), (member("Operator", name="op"), 2)):
        client.force_login(user)
        page = client.get(reverse("admin:classifier_accesstoken_changelist"))
        assert page.context["cl"].result_count == seen
        text = page.content.decode()
        assert own.secret not in text and other.secret not in text
    client.force_login(curator)
    page = client.get(reverse("admin:classifier_accesstoken_change", args=[other.token.pk]))
    assert page.status_code == 302  # as for one that does not exist


def test_one_revokes_own_tokens_and_operators_any(client, member, curator):
    own, other = make(curator), make(member("Curator", name="other"))

    def revoke(made):
        return client.post(reverse("admin:classifier_accesstoken_revoke", args=[made.token.pk]))

    client.force_login(curator)
    assert revoke(other).status_code == 403
    assert revoke(own).status_code == 302
    assert AccessToken.objects.get(revoked_at=None) == other.token
    page = client.get(reverse("admin:classifier_accesstoken_change", args=[own.token.pk]))
    assert "Revoke for good" not in page.content.decode()
    client.force_login(member("Operator", name="op"))
    action = {"action": "revoke_tokens", "_selected_action": [other.token.pk]}
    client.post(reverse("admin:classifier_accesstoken_changelist"), action)
    assert not AccessToken.objects.filter(revoked_at=None).exists()


def test_revoking_by_a_link_is_refused(client, curator):
    made = make(curator)
    client.force_login(curator)
    address = reverse("admin:classifier_accesstoken_revoke", args=[made.token.pk])
    assert client.get(address).status_code == 403
    assert tokens.find(made.secret)


def test_roles_make_tokens_and_only_operators_see_all():
    may = Permission.objects.filter(codename__endswith="_accesstoken")
    for role, verbs in (("Curator", {"add"}), ("Trainer", {"add"})):
        held = may.filter(group__name=role).values_list("codename", flat=True)
        assert {name.split("_")[0] for name in held} == verbs
    assert may.filter(group__name="Operator").count() == 4
