"""Collections from the web: list, start, pause, resume and cancel them."""

from django.conf import settings
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import serializers
from rest_framework.response import Response

from curation import search
from curation.api.serializers import CollectionSerializer, JobQuerySerializer
from curation.collect.start import CollectionRefused, start_collections
from curation.models import Collection, ShoeType
from shoeproject.api.pagination import ExactTextField
from shoeproject.api.views import CuratorView, DetailView, ListView, validated
from shoeproject.jobs import State, TransitionRefused

COLLECTIONS = Collection.objects.select_related("shoe_type", "asked_by")


class CollectionsQuerySerializer(JobQuerySerializer):
    """Which collections."""

    type = ExactTextField(source="shoe_type__slug")


class FiltersSerializer(serializers.Serializer):
    """Filters of the search engines: a choice for each filter there is."""

    def get_fields(self):
        return {
            name: serializers.ChoiceField(list(values), required=False, allow_blank=True)
            for name, values in search.FILTERS.items()
        }


@extend_schema_serializer(component_name="AskShape")
class CollectSerializer(serializers.Serializer):
    """What to collect."""

    types = serializers.ListField(
        child=serializers.SlugRelatedField("slug", queryset=ShoeType.objects.all()),
        min_length=1, max_length=100, help_text="Slugs; one collection for each",
    )  # fmt: skip
    count = serializers.IntegerField(
        min_value=1, max_value=settings.COLLECT_COUNT_MOST, default=200,
        help_text="New images of each type",
    )  # fmt: skip
    terms = serializers.ListField(
        child=serializers.CharField(max_length=200), required=False, default=list, max_length=100,
        help_text="What to search for instead of the type's own terms, for one type alone",
    )  # fmt: skip
    filters = FiltersSerializer(required=False)
    safe_search = serializers.BooleanField(default=True)
    set_label = serializers.BooleanField(
        default=False, help_text="Label what comes in at once instead of only proposing the type"
    )


@extend_schema_serializer(component_name="AskedShape")
class CollectedSerializer(serializers.Serializer):
    """The collections that were queued."""

    results = CollectionSerializer(many=True)


@extend_schema_view(
    get=extend_schema(
        operation_id="list_collections",
        summary="Collections from the web",
        description="Newest first.",
        tags=["collections"],
    )
)
class CollectionsView(ListView):
    """`GET` and `POST /api/v1/collections/`."""

    required_permissions = {"GET": "curation.view_collection", "POST": "curation.add_collection"}
    problems = {
        "POST": [
            CollectionRefused(
                "Chelsea boots is being collected already (collection 7, running). "
                "Resume, cancel or await that one."
            )
        ]
    }
    queryset = COLLECTIONS
    serializer_class = CollectionSerializer
    query_serializer_class = CollectionsQuerySerializer

    @extend_schema(
        operation_id="collect",
        summary="Collect images from the web",
        description="Queues a job for each type; all of them or none.",
        tags=["collections"],
        request=CollectSerializer,
        responses={201: CollectedSerializer},
    )
    def post(self, request):
        fields = validated(CollectSerializer, request.data)
        collections = start_collections(
            fields["types"], fields["count"], terms=fields["terms"], filters=fields.get("filters"),
            safe=fields["safe_search"], set_label=fields["set_label"], by=request.user,
        )  # fmt: skip
        return Response({"results": self.serialize(collections)}, 201)


@extend_schema_view(
    get=extend_schema(operation_id="get_collection", summary="One collection", tags=["collections"])
)
class CollectionView(DetailView):
    """`GET /api/v1/collections/<pk>/`."""

    required_permissions = {"GET": "curation.view_collection"}
    queryset = COLLECTIONS
    serializer_class = CollectionSerializer


def _transition_view(transition: str, summary: str) -> type:
    """The view of `POST /api/v1/collections/<pk>/<transition>/`."""

    class TransitionView(CuratorView):
        required_permissions = {"POST": "curation.change_collection"}
        problems = {
            "POST": [
                Http404(),
                TransitionRefused("200 images of Uggs", State.DONE, State.PAUSED),
            ]
        }

        @extend_schema(
            operation_id=f"{transition}_collection",
            summary=summary,
            tags=["collections"],
            request=None,
            responses={200: CollectionSerializer},
        )
        def post(self, request, pk):
            job = get_object_or_404(COLLECTIONS, pk=pk)
            getattr(job, transition)()
            return Response(CollectionSerializer(job).data)

    return TransitionView


PauseView = _transition_view("pause", "Stop within seconds; what came in stays")
ResumeView = _transition_view("resume", "Go on with what is paused or failed")
CancelView = _transition_view("cancel", "Stop within seconds, for good")
