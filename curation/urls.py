"""Addresses of the curators' API."""

from django.urls import path

from curation.api import views

urlpatterns = [path("findings/", views.FindingsView.as_view(), name="api-findings")]
