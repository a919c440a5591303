"""System checks: settings that no web process could work with."""

from django.conf import settings
from django.core.checks import Error

from classifier.errors import DEVICES


def device(app_configs, **kwargs) -> list[Error]:
    """Check that PREDICT_DEVICE names a known device."""
    if settings.PREDICT_DEVICE in DEVICES:
        return []
    return [
        Error(
            f"PREDICT_DEVICE is {settings.PREDICT_DEVICE!r}; choose one of {', '.join(DEVICES)}.",
            id="classifier.E001",
        )
    ]
