"""Prediction + guide → answer: its shape, its words, its id, and what merges do to it."""

import threading

import pytest
from django.core import signing
from django.core.signing import TimestampSigner
from PIL import Image

from classifier.answers import answer, answer_id
from classifier.answers.wording import percent, wording
from classifier.errors import AnswerExpired, AnswerUnknown, NoActiveModel, TooBusy
from classifier.inference.classify import predict
from classifier.inference.concurrency import ConcurrencyLimit
from classifier.models import Feedback
from classifier.registry import serving
from curation.images import ImageTooLarge, TooManyPixels
from curation.models import Category, ShoeImage, ShoeType
from tests import tiny_model
from tests.drawing import encoded

pytestmark = pytest.mark.django_db

KEYS = {"id", "verdict", "model", "type", "category", "top"}
CHELSEA, BETWEEN_BOOTS, CYAN, BLACK = (255, 0, 0), (226, 0, 0), (0, 255, 255), (0, 0, 0)


@pytest.fixture
def version(tmp_path):
    yield tiny_model.activate(tmp_path / "version")
    serving.forget()


def photo(colour) -> bytes:
    return encoded(Image.new("RGB", (48, 48), colour), "PNG")


def merge(slug: str, into: str) -> None:
    ShoeType.objects.filter(slug=slug).update(merged_into=ShoeType.objects.get(slug=into))


def test_guide_is_read_again_only_after_a_while(version, settings):
    answer.recognise(photo(CHELSEA))
    settings.MODEL_POLL_SECONDS = 60
    ShoeType.objects.filter(slug="chelsea-boots").update(name="Ankle boots")
    assert answer.recognise(photo(CHELSEA))["type"]["name"] == "Chelsea boots"
    settings.MODEL_POLL_SECONDS = 0
    assert answer.recognise(photo(CHELSEA))["type"]["name"] == "Ankle boots"


# --- the four verdicts ------------------------------------------------------------------------


def test_clear_photo_is_named_with_the_guides_text(version):
    result = answer.recognise(photo(CHELSEA))
    row = ShoeType.objects.get(slug="chelsea-boots")
    assert set(result) == KEYS
    assert result["verdict"] == "type"
    assert result["model"] == {"name": "mean colour", "version": version.digest[:12]}
    assert result["type"] == {
        **result["top"][0],
        "pros": row.pros,
        "cons": row.cons,
        "distinction": row.distinction,
    }
    assert result["top"][0]["slug"] == "chelsea-boots"
    assert result["top"][0]["name"] == "Chelsea boots"
    assert result["top"][0]["category"] == "boots"
    assert 0.9 < result["type"]["confidence"] <= 1
    assert result["category"]["slug"] == "boots"
    assert result["category"]["name"] == "Boots"
    assert result["category"]["confidence"] >= result["type"]["confidence"]
    assert wording(result)["headline"] == "Chelsea boots"


def test_photo_between_two_boots_is_a_family(version):
    result = answer.recognise(photo(BETWEEN_BOOTS))
    assert result["verdict"] == "category"
    assert result["type"] is None
    assert result["category"]["slug"] == "boots"
    assert result["category"]["confidence"] > 0.9
    assert wording(result)["headline"] == "Boots, probably Army boots or Chelsea boots"


@pytest.mark.parametrize(
    "colour, verdict, headline",
    [
        (CYAN, "unsure", "Not sure – this photo does not tell"),
        (BLACK, "not_a_shoe", "This does not look like a shoe"),
    ],
)
def test_top_is_filled_whatever_the_verdict(version, colour, verdict, headline):
    result = answer.recognise(photo(colour))
    assert set(result) == KEYS
    assert result["verdict"] == verdict
    assert result["type"] is None and result["category"] is None
    assert len(result["top"]) == 5
    assert not {"other-shoe", "not-a-shoe"} & {entry["slug"] for entry in result["top"]}
    assert wording(result)["headline"] == headline


def test_unsure_between_two_families_names_both(tmp_path):
    tiny_model.activate(
        tmp_path / "version", {"uggs": (255, 0, 0), "brogues": (200, 0, 0)}, name="two"
    )
    result = answer.recognise(photo((228, 0, 0)))
    assert result["verdict"] == "unsure"
    assert len(result["top"]) == 2
    assert wording(result)["headline"] == "Not sure – perhaps Uggs or Brogues"


def test_types_that_are_hardly_likely_are_not_mentioned():
    entry = {"name": "Uggs", "category": "boots", "confidence": 0.09}
    boots = {"slug": "boots", "name": "Boots", "confidence": 0.7}
    result = {"verdict": "category", "type": None, "category": boots, "top": [entry]}
    assert wording(result)["headline"] == "Boots"
    assert wording({**result, "top": [{**entry, "confidence": 0.2}]})["headline"] == (
        "Boots, probably Uggs"
    )


@pytest.mark.parametrize(
    "confidence, text",
    [(0, "<1%"), (0.004, "<1%"), (0.005, "1%"), (0.874, "87%"), (0.994, "99%"), (1, ">99%")],
)
def test_percentages_are_never_rounded_to_certainty(confidence, text):
    assert percent(confidence) == text


# --- merges -----------------------------------------------------------------------------------


def test_merged_types_sum_their_confidence_and_are_judged_together(version):
    before = answer.recognise(photo(BETWEEN_BOOTS))["top"]
    merge("army-boots", into="chelsea-boots")
    result = answer.recognise(photo(BETWEEN_BOOTS))
    assert result["verdict"] == "type", "together they reach the threshold that neither did alone"
    assert result["type"]["slug"] == "chelsea-boots"
    both = sum(e["confidence"] for e in before if e["slug"] in ("army-boots", "chelsea-boots"))
    assert result["type"]["confidence"] == pytest.approx(both, abs=2e-4)
    assert [entry["slug"] for entry in result["top"]].count("chelsea-boots") == 1
    assert "army-boots" not in [entry["slug"] for entry in result["top"]]


def test_answer_follows_a_chain_of_merges_into_a_type_the_model_never_learnt(version):
    merge("chelsea-boots", into="cowboy-boots")
    merge("cowboy-boots", into="sneakers")
    result = answer.recognise(photo(CHELSEA))
    assert result["type"]["slug"] == "sneakers"
    assert result["category"]["slug"] == "casual-shoes", "the family is that of the survivor"
    assert result["category"]["confidence"] >= result["type"]["confidence"]


def test_type_merged_into_other_shoes_is_no_answer_any_more(version):
    merge("chelsea-boots", into="other-shoe")
    assert answer.recognise(photo(CHELSEA))["verdict"] == "unsure"


def test_type_moved_to_another_family_is_summed_there(version):
    ShoeType.objects.filter(slug="army-boots").update(
        category=Category.objects.get(slug="dress-shoes")
    )
    result = answer.recognise(photo(BETWEEN_BOOTS))
    assert result["verdict"] == "unsure", "two families now share what one had"


def test_type_that_the_guide_never_had_is_named_by_its_slug(tmp_path):
    tiny_model.activate(tmp_path / "version", {"space-boots": (9, 9, 9)}, name="foreign")
    result = answer.recognise(photo((9, 9, 9)))
    assert result["type"]["name"] == "Space boots"
    assert result["type"]["pros"] == []
    assert result["category"] == {"slug": "boots", "name": "Boots", "confidence": 1.0}


def test_an_answer_queries_the_guide_once(version, django_assert_num_queries):
    merge("army-boots", into="chelsea-boots")
    served = serving.active()
    prediction = predict(photo(BETWEEN_BOOTS), served.model)
    with django_assert_num_queries(1):
        answer.from_prediction(prediction, served)


def test_explanation_is_there_only_when_asked(version):
    assert "explain" in answer.recognise(photo(CHELSEA), explained=True)
    assert "explain" not in answer.recognise(photo(CHELSEA))


# --- the id -----------------------------------------------------------------------------------


def test_id_holds_version_time_verdict_top_five_and_family_and_nothing_else(version):
    result = answer.recognise(photo(CHELSEA))
    payload = answer_id.read(result["id"])
    assert set(payload) == {"version", "at", "verdict", "top", "category"}
    assert payload["version"] == version.short
    assert payload["verdict"] == "type"
    assert payload["top"] == [[entry["slug"], entry["confidence"]] for entry in result["top"]]
    assert payload["category"] == [result["category"]["slug"], result["category"]["confidence"]]


def test_two_answers_to_one_photo_have_two_ids(version):
    assert answer.recognise(photo(CHELSEA))["id"] != answer.recognise(photo(CHELSEA))["id"]


def test_id_expires(version, settings, monkeypatch):
    monkeypatch.setattr(TimestampSigner, "timestamp", lambda self: signing.b62_encode(0))
    token = answer.recognise(photo(CHELSEA))["id"]
    with pytest.raises(AnswerExpired):
        answer_id.read(token)


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: "x" + t, lambda t: "", str.upper])
def test_changed_id_is_refused(version, change):
    with pytest.raises(AnswerUnknown):
        answer_id.read(change(answer.recognise(photo(CHELSEA))["id"]))


def test_id_signed_for_something_else_is_refused():
    with pytest.raises(AnswerUnknown):
        answer_id.read(signing.dumps({"nonce": 1}, salt="elsewhere"))


# --- the way there ----------------------------------------------------------------------------


def test_without_an_active_model_nothing_is_recognised():
    serving.forget()
    with pytest.raises(NoActiveModel):
        answer.recognise(photo(CHELSEA))


def test_limits_come_from_the_settings(version, settings):
    settings.IMAGE_MAX_PIXELS = 100
    with pytest.raises(TooManyPixels):
        answer.recognise(photo(CHELSEA))
    settings.IMAGE_MAX_BYTES = 10
    with pytest.raises(ImageTooLarge):
        answer.recognise(photo(CHELSEA))


def test_nothing_is_written_for_an_answer(version, django_assert_num_queries):
    answer.recognise(photo(CHELSEA))
    assert ShoeImage.objects.count() == Feedback.objects.count() == 0


# --- the gate ---------------------------------------------------------------------------------


def waiting(guard: ConcurrencyLimit, number: int) -> None:
    """Until so many threads wait at the gate."""
    for _ in range(500):
        if len(guard._waiting) == number:
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"{len(guard._waiting)} wait, not {number}")


def test_limit_admits_no_more_than_allowed_and_in_order():
    guard, served, threads = ConcurrencyLimit(concurrency=1, queue=3), [], []

    def work(number):
        with guard.turn():
            served.append(number)

    with guard.turn():
        for number in range(3):
            threads.append(threading.Thread(target=work, args=[number]))
            threads[-1].start()
            waiting(guard, number + 1)
        assert served == []
        with pytest.raises(TooBusy) as refused, guard.turn():
            pass
        assert refused.value.retry_after > 0
    for thread in threads:
        thread.join(5)
    assert served == [0, 1, 2]
    with guard.turn():
        pass


def test_limit_frees_the_place_of_work_that_failed():
    guard = ConcurrencyLimit(concurrency=1, queue=0)
    for _ in range(2):
        with pytest.raises(ValueError), guard.turn():
            raise ValueError
    with guard.turn():
        pass
