"""Collections from the web: asked for, watched, stopped."""

from django.conf import settings
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from curation import collect, search
from curation.api.serializers import CollectionShape
from curation.models import Collection, ShoeType
from shoeproject.api import base
from shoeproject.jobs import State

COLLECTIONS = base.page_shape("CollectionsShape", CollectionShape(many=True))
REFUSED = (
    409,
    "collection_refused",
    "Chelsea boots is being collected already (collection 7, running). "
    "Resume, cancel or await that one.",
)
NO_WAY = (409, "transition_refused", "“200 images of Uggs” is done and cannot become paused.")


class CollectionsAsked(base.PageAsked):
    """Which collections."""

    state = serializers.ChoiceField(State.choices, required=False)
    type = base.Text()


class FiltersShape(serializers.Serializer):
    """What is asked of the search engines."""

    def get_fields(self):
        """A choice for each filter there is."""
        return {
            name: serializers.ChoiceField(list(values), required=False, allow_blank=True)
            for name, values in search.FILTERS.items()
        }


class AskShape(serializers.Serializer):
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
    filters = FiltersShape(required=False)
    safe_search = serializers.BooleanField(default=True)
    set_label = serializers.BooleanField(
        default=False, help_text="Label what comes in at once instead of only proposing the type"
    )


class AskedShape(serializers.Serializer):
    """The collections that were queued."""

    results = CollectionShape(many=True)


class CollectionsView(base.CuratorView):
    """`GET` and `POST /api/v1/collections/`."""

    needs = {"GET": "curation.view_collection", "POST": "curation.add_collection"}

    @extend_schema(
        operation_id="list_collections",
        summary="Collections from the web",
        description="Newest first. Scope `curation:read`, permission to view collections.",
        tags=["collections"],
        parameters=[
            OpenApiParameter("state", enum=State.values),
            OpenApiParameter("type", base.TEXT),
            *base.PAGE,
        ],
        responses={200: COLLECTIONS, **base.problems(base.INVALID)},
    )
    def get(self, request):
        """List a part."""
        said = base.asked(CollectionsAsked, request.query_params)
        columns = {"state": "state", "type": "shoe_type__slug"}
        rows = _rows().filter(**{columns[n]: said[n] for n in columns if n in said})
        return base.page(
            rows, said, lambda part: CollectionShape(part, many=True).data,
            newest_first=True,
        )  # fmt: skip

    @extend_schema(
        operation_id="collect",
        summary="Collect images from the web",
        description="Queues a job for each type; all of them or none. Scope `curation:write`, "
        "permission to add collections.",
        tags=["collections"],
        parameters=[base.IDEMPOTENCY_KEY],
        request=AskShape,
        responses={201: AskedShape, **base.problems(REFUSED, *base.CREATING)},
    )
    def post(self, request):
        """Queue them."""
        said = base.asked(AskShape, request.data)
        made = collect.ask(
            said["types"], said["count"], terms=said["terms"], filters=said.get("filters"),
            safe=said["safe_search"], set_label=said["set_label"], by=request.user,
        )  # fmt: skip
        return Response({"results": CollectionShape(made, many=True).data}, 201)


class CollectionView(base.CuratorView):
    """`GET /api/v1/collections/<pk>/`."""

    needs = {"GET": "curation.view_collection"}

    @extend_schema(
        operation_id="get_collection",
        summary="One collection",
        description="Scope `curation:read`, permission to view collections.",
        tags=["collections"],
        parameters=[base.KEY],
        responses={200: CollectionShape, **base.problems(base.NOT_FOUND)},
    )
    def get(self, request, pk):
        """Show one."""
        return Response(CollectionShape(_find(pk)).data)


def _verb_view(verb: str, summary: str) -> type:
    """`POST /api/v1/collections/<pk>/<verb>/`."""

    class VerbView(base.CuratorView):
        needs = {"POST": "curation.change_collection"}

        @extend_schema(
            operation_id=f"{verb}_collection",
            summary=summary,
            description="Scope `curation:write`, permission to change collections.",
            tags=["collections"],
            parameters=[base.KEY, base.IDEMPOTENCY_KEY],
            request=None,
            responses={
                200: CollectionShape,
                **base.problems(base.NOT_FOUND, NO_WAY, *base.CREATING),
            },
        )
        def post(self, request, pk):
            """Move the job; raises `TransitionRefused`."""
            job = _find(pk)
            getattr(job, verb)()
            return Response(CollectionShape(job).data)

    return VerbView


PauseView = _verb_view("pause", "Stop within seconds; what came in stays")
ResumeView = _verb_view("resume", "Go on with what is paused or failed")
CancelView = _verb_view("cancel", "Stop within seconds, for good")


def _rows():
    return Collection.objects.select_related("shoe_type", "asked_by")


def _find(pk: int) -> Collection:
    job = _rows().filter(pk=pk).first() if pk <= base.BIGGEST else None
    if job is None:
        raise Http404
    return job
