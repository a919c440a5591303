"""Addresses of the site and of its API."""

from django.urls import path

from classifier.api import feedback, gradio, huggingface, models, predictions, public_images, runs
from classifier.api import guide as api
from classifier.views import answers, guide_pages, privacy, recognise

urlpatterns = [
    path("", recognise.home, name="home"),
    path("guide/", guide_pages.guide, name="guide"),
    path("guide/category/<slug:slug>/", guide_pages.guide_category, name="guide-category"),
    path("guide/<slug:slug>/", guide_pages.guide_type, name="guide-type"),
    path("a/<str:answer_id>/", answers.past_answer, name="past-answer"),
    path("withdraw/", answers.withdraw, name="withdraw"),
    path("privacy/", privacy.privacy, name="privacy"),
    path("examples/<slug:digest>.jpg", public_images.example, name="example"),
    path("api/v1/predictions/", predictions.PredictionsView.as_view(), name="api-predictions"),
    # A redirect to the slash would turn the POST into a GET and lose the photo.
    path("api/v1/predictions", predictions.PredictionsView.as_view(schema=None)),
    path("api/v1/answers/<path:answer_id>/", predictions.AnswerView.as_view(), name="api-answer"),
    path("api/v1/feedback/", feedback.FeedbackView.as_view(), name="api-feedback"),
    path("api/v1/feedback", feedback.FeedbackView.as_view(schema=None)),
    path("api/v1/feedback/withdraw/", feedback.WithdrawView.as_view(), name="api-withdraw"),
    path("api/v1/feedback/withdraw", feedback.WithdrawView.as_view(schema=None)),
    path("api/v1/models/", models.ModelsView.as_view(), name="api-models"),
    path("api/v1/models/<str:version>/", models.ModelView.as_view(), name="api-model"),
    path("api/v1/types/", api.TypesView.as_view(), name="api-types"),
    path("api/v1/types/<slug:slug>/", api.TypeView.as_view(), name="api-type"),
    path("api/v1/categories/", api.CategoriesView.as_view(), name="api-categories"),
    path("api/v1/runs/", runs.RunsView.as_view(), name="api-runs"),
    path("api/v1/runs/<int:pk>/", runs.RunView.as_view(), name="api-run"),
    path("api/v1/schema/", api.SchemaView.as_view(), name="api-schema"),
    path("api/v1/docs/", api.DocsView.as_view(), name="api-docs"),
    # Where clients of other servers look; a redirect would lose what they post.
    path("api/predict", gradio.GradioView.as_view(), name="gradio"),
    path("api/predict/", gradio.GradioView.as_view(schema=None)),
    path("run/predict", gradio.GradioView.as_view(schema=None)),
    path("run/predict/", gradio.GradioView.as_view(schema=None)),
    path("models/shoe-type-recognizer", huggingface.HuggingFaceView.as_view(), name="hugging-face"),
]
