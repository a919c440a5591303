"""The shape of what was measured of a type."""

from rest_framework import serializers

from classifier.evaluation.report import STATES


def interval_field(help_text: str) -> serializers.ListField:
    """Two shares from 0 to 1, the lower first, or null."""
    child = serializers.FloatField(min_value=0, max_value=1)
    return serializers.ListField(
        child=child, min_length=2, max_length=2, allow_null=True, help_text=help_text
    )


class AccuracyShape(serializers.Serializer):
    """How often the active model is right about a type, on test photos."""

    state = serializers.ChoiceField(
        STATES,
        help_text="judged: measured. too-few: fewer than 8 products in the test photos. "
        "not-learnt: the model cannot answer it. unknown: learnt, but never judged",
    )
    accuracy = serializers.FloatField(
        min_value=0, max_value=1, allow_null=True, help_text="Only with state judged"
    )
    interval = interval_field(
        "95 % interval of the accuracy. Only with state judged, and not always then"
    )
    images = serializers.IntegerField(min_value=0, help_text="Test photos of the type")
    groups = serializers.IntegerField(min_value=0, help_text="Products that these photos show")
