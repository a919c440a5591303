"""What Django checks before it starts: settings that no web process could work with."""

from django.conf import settings
from django.core.checks import Error

from classifier.errors import DEVICES


def device(app_configs, **kwargs) -> list[Error]:
    """PREDICT_DEVICE is one that there is."""
    if settings.PREDICT_DEVICE in DEVICES:
        return []
    said = f"PREDICT_DEVICE is {settings.PREDICT_DEVICE!r}; choose one of {', '.join(DEVICES)}."
    return [Error(said, id="classifier.E001")]
