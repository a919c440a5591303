"""Every address of the project."""

from django.contrib import admin
from django.urls import include, path

from shoeproject.health import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("health/", health, name="health"),
    path("", include("classifier.urls")),
]
