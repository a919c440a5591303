"""Addresses of the curators' API."""

from django.urls import path, re_path

from curation.api import collections, findings, images, reviews, snapshots

DIGEST = "(?P<sha256>[0-9a-f]{64})"

urlpatterns = [
    path("findings/", findings.FindingsView.as_view(), name="api-findings"),
    path("images/", images.ImagesView.as_view(), name="api-images"),
    re_path(f"^images/{DIGEST}/$", images.ImageView.as_view(), name="api-image"),
    re_path(f"^images/{DIGEST}/picture$", images.PictureView.as_view(), name="api-picture"),
    path("reviews/", reviews.ReviewsView.as_view(), name="api-reviews"),
    path("collections/", collections.CollectionsView.as_view(), name="api-collections"),
    path("collections/<int:pk>/", collections.CollectionView.as_view(), name="api-collection"),
    path("collections/<int:pk>/pause/", collections.PauseView.as_view()),
    path("collections/<int:pk>/resume/", collections.ResumeView.as_view()),
    path("collections/<int:pk>/cancel/", collections.CancelView.as_view()),
    path("snapshots/", snapshots.SnapshotsView.as_view(), name="api-snapshots"),
    path("snapshots/<slug:name>/", snapshots.SnapshotView.as_view(), name="api-snapshot"),
    path("assess-runs/", snapshots.AssessRunsView.as_view(), name="api-assess-runs"),
]
