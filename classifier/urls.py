"""Addresses of the site and of its API."""

from django.urls import path

from classifier import views
from classifier.api import pictures, runs
from classifier.api import views as api

urlpatterns = [
    path("", views.home, name="home"),
    path("guide/", views.guide, name="guide"),
    path("guide/<slug:slug>/", views.guide_type, name="guide-type"),
    path("privacy/", views.privacy, name="privacy"),
    path("examples/<slug:digest>.jpg", pictures.example, name="example"),
    path("api/v1/predictions/", api.PredictionsView.as_view(), name="api-predictions"),
    # A redirect to the slash would turn the POST into a GET and lose the photo.
    path("api/v1/predictions", api.PredictionsView.as_view(schema=None)),
    path("api/v1/types/", api.TypesView.as_view(), name="api-types"),
    path("api/v1/types/<slug:slug>/", api.TypeView.as_view(), name="api-type"),
    path("api/v1/categories/", api.CategoriesView.as_view(), name="api-categories"),
    path("api/v1/runs/", runs.RunsView.as_view(), name="api-runs"),
    path("api/v1/runs/<int:pk>/", runs.RunView.as_view(), name="api-run"),
    path("api/v1/schema/", api.SchemaView.as_view(), name="api-schema"),
    path("api/v1/docs/", api.DocsView.as_view(), name="api-docs"),
]
