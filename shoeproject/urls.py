"""Every address of the project."""

from django.contrib import admin
from django.urls import include, path

from shoeproject.health import health

admin.site.site_header = admin.site.site_title = "Shoe Type Recognizer"
admin.site.index_title = "Images, training, versions"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("health/", health, name="health"),
    path("api/v1/", include("curation.urls")),
    path("", include("classifier.urls")),
]

handler400 = "classifier.views.error_pages.bad_request"
handler404 = "classifier.views.error_pages.not_found"
handler500 = "classifier.views.error_pages.server_error"
