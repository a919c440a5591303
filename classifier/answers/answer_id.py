"""The id of an answer: its few facts, signed, so that nothing needs to be stored of it."""

import secrets
import time

from django.conf import settings
from django.core import signing

from classifier.errors import AnswerExpired, AnswerUnknown
from classifier.inference.classify import Prediction

SALT = "classifier.answer"
DIGITS = 4  # of a confidence, behind the point


def sign(prediction: Prediction, version: str) -> str:
    """The id of an answer given now by the version with this short digest."""
    payload = {
        "version": version,
        "at": int(time.time()),
        "verdict": prediction.verdict,
        "top": [_rounded(*pair) for pair in prediction.top],
        "category": prediction.category and _rounded(*prediction.category),
        # One answer, one feedback: two answers to one photo within a second are still two.
        "nonce": secrets.token_urlsafe(6),
    }
    return signing.dumps(payload, salt=SALT, compress=True)


def read(token: str) -> dict:
    """What an answer's id holds: version, at (Unix time), verdict, top [[slug, confidence], …],
    category [slug, confidence] or None.

    Raises `AnswerExpired` after `ANSWER_ID_HOURS`, `AnswerUnknown` for anything not signed here.
    """
    try:
        payload = signing.loads(token, salt=SALT, max_age=settings.ANSWER_ID_HOURS * 3600)
    except signing.SignatureExpired as error:
        raise AnswerExpired() from error
    except (signing.BadSignature, ValueError) as error:
        raise AnswerUnknown() from error
    payload.pop("nonce")
    return payload


def _rounded(slug: str, confidence: float) -> list:
    return [slug, round(confidence, DIGITS)]
