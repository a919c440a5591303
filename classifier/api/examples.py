"""Examples for the schema: answers, versions and problems."""

from drf_spectacular.utils import OpenApiExample
from rest_framework import exceptions

from classifier.api.request_photos import BadJson, BodyTooLarge, NotBase64
from classifier.errors import LengthMissing, TooBusy
from curation.images import BrokenImage, EmptyImage, ImageTooLarge, UnsupportedFormat

TYPE = {
    "slug": "chelsea-boots",
    "name": "Chelsea boots",
    "category": "boots",
    "pros": ["The elastic sides let them go on and off in seconds."],
    "cons": ["The fit cannot be adjusted, and the elastic slackens with the years."],
    "distinction": ["Look for the elastic panel between ankle and sole, and no laces."],
    "learnt": True,
    "accuracy": {
        "state": "judged",
        "accuracy": 0.9308,
        "interval": [0.8702, 0.9631],
        "images": 130,
        "groups": 72,
    },
}
_CLOSEST = [
    {"slug": "chelsea-boots", "name": "Chelsea boots", "category": "boots", "confidence": 0.8713},
    {"slug": "army-boots", "name": "Army boots", "category": "boots", "confidence": 0.0629},
    {"slug": "uggs", "name": "Uggs", "category": "boots", "confidence": 0.0211},
    {"slug": "brogues", "name": "Brogues", "category": "dress-shoes", "confidence": 0.0134},
    {"slug": "loafers", "name": "Loafers", "category": "dress-shoes", "confidence": 0.0079},
]
_ANSWER = {
    "id": "eyJ2ZXJzaW9uIjoi…:1wF3aZ:kq0…",
    "verdict": "type",
    "model": {"name": "resnet34", "version": "3f9c1d0a77e2"},
    "type": {**_CLOSEST[0], **{key: TYPE[key] for key in ("pros", "cons", "distinction")}},
    "category": {"slug": "boots", "name": "Boots", "confidence": 0.9562},
    "top": _CLOSEST,
}
ANSWERS = [
    OpenApiExample("The type is clear", _ANSWER, response_only=True),
    OpenApiExample(
        "Only the family is clear",
        {
            **_ANSWER,
            "verdict": "category",
            "type": None,
            "category": {"slug": "boots", "name": "Boots", "confidence": 0.8127},
            "top": [{**_CLOSEST[0], "confidence": 0.4102}, {**_CLOSEST[1], "confidence": 0.3687}],
        },
        response_only=True,
    ),
    OpenApiExample(
        "No shoe",
        {
            **_ANSWER,
            "verdict": "not_a_shoe",
            "type": None,
            "category": None,
            "top": [{**_CLOSEST[0], "confidence": 0.0214}, {**_CLOSEST[1], "confidence": 0.0177}],
        },
        response_only=True,
    ),
]
SEVERAL = OpenApiExample(
    "Several photos",
    {
        "predictions": [
            _ANSWER,
            {"error": {"code": EmptyImage.code, "detail": EmptyImage().detail}},
        ]
    },
    response_only=True,
)
PAST = OpenApiExample(
    "A past answer", {**_ANSWER, "at": "2026-03-07T10:21:08Z"}, response_only=True
)
VERSION = {
    "number": 7,
    "version": "3f9c1d0a77e2",
    "digest": "3f9c1d0a77e2" + "5b" * 26,
    "name": "resnet34",
    "active": True,
    "created": "2026-03-02T14:05:31Z",
    "classes": ["army-boots", "chelsea-boots"],
    "metrics": {
        "images": 1834,
        "accuracy": 0.8921,
        "interval": [0.877, 0.9056],
        "macro_accuracy": 0.8613,
        "top5": 0.9831,
        "category_accuracy": 0.9618,
        "ece": 0.0214,
        "street": 0.7402,
        "catalogue": 0.9213,
        "sentences": ["89.2% right (1,636 of 1,834 test images, 95% interval 87.7% to 90.6%)"],
    },
}
VERSION_IN_FULL = {**VERSION, "types": [{"slug": TYPE["slug"], **TYPE["accuracy"]}]}
# Examples of the problems of a request with a body, and of one with a photo in it.
BODY_PROBLEMS = [
    BadJson("it is not valid"),
    BodyTooLarge(80, 48),
    LengthMissing(),
    exceptions.UnsupportedMediaType("text/plain"),
]
PHOTO_PROBLEMS = [
    *BODY_PROBLEMS,
    NotBase64(),
    EmptyImage(),
    BrokenImage("image file is truncated"),
    ImageTooLarge(31_457_280, 20_971_520),
    UnsupportedFormat("a PDF"),
    TooBusy(2),
]
