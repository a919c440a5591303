"""What visitors say about an answer, the photo they may give with it, and taking it back."""

import io

import pytest
from django.core.files.storage import storages
from django.urls import reverse
from PIL import Image

from classifier.answers import answer, feedback
from classifier.errors import AnswerExpired, AnswerUnknown, TooBusy
from classifier.inference.concurrency import ConcurrencyLimit
from classifier.models import Feedback
from classifier.registry import prediction_limit
from curation import ingest
from curation.decisions import purge
from curation.images import BrokenImage
from curation.issues import findings, silence
from curation.models import Finding, Purge, Review, ShoeImage, ShoeType
from curation.queue.cards import build_cards
from tests import tiny_model
from tests.drawing import encoded, shoe
from tests.factories import jpeg, stored_image

pytestmark = pytest.mark.django_db

RED, DARK, BLACK = (255, 0, 0), (228, 0, 0), (0, 0, 0)


@pytest.fixture(autouse=True)
def version(tmp_path):
    return tiny_model.activate(tmp_path / "version")


def answered(colour=RED) -> str:
    """The id of an answer; red is "type", between two boots "category", black is no shoe."""
    return answer.recognise(encoded(Image.new("RGB", (64, 64), colour), "PNG"))["id"]


def image_of(receipt) -> ShoeImage:
    return ShoeImage.objects.get(pk=receipt.feedback.image_id)


# --- a word without a photo -------------------------------------------------------------------


def test_wrong_answer_without_a_photo_counts():
    receipt = feedback.give(answered(), right=False, type_slug="loafers")
    assert (receipt.code, receipt.photo) == ("", "")
    row = Feedback.objects.get()
    assert (row.right, row.shoe_type.slug, row.image_sha256, row.code_key) == (
        False, "loafers", "", "",
    )  # fmt: skip
    assert row.answer["verdict"] == "type"
    assert row.answer["top"][0][0] == "chelsea-boots"
    assert not ShoeImage.objects.exists()


def test_right_answer_is_feedback_of_its_type():
    feedback.give(answered(), right=True)
    assert Feedback.objects.get().shoe_type.slug == "chelsea-boots"


def test_right_answer_short_of_a_type_leaves_the_type_open():
    feedback.give(answered(DARK), right=True)
    assert Feedback.objects.get().shoe_type is None


def test_right_refusal_is_labelled_not_a_shoe():
    feedback.give(answered(BLACK), right=True)
    assert Feedback.objects.get().shoe_type.slug == "not-a-shoe"


def test_one_answer_one_feedback():
    answer_id = answered()
    feedback.give(answer_id, right=True)
    with pytest.raises(feedback.FeedbackGiven):
        feedback.give(answer_id, right=False)
    with pytest.raises(feedback.FeedbackGiven):
        feedback.give(answer_id, right=False, photo=jpeg(1))
    assert Feedback.objects.get().right
    assert not ShoeImage.objects.exists()


def test_a_merged_type_leads_to_its_survivor():
    into = ShoeType.objects.get(slug="loafers")
    ShoeType.objects.filter(slug="mules").update(merged_into=into)
    feedback.give(answered(), right=False, type_slug="mules")
    assert Feedback.objects.get().shoe_type == into


def test_unknown_type_is_refused():
    with pytest.raises(feedback.TypeUnknown):
        feedback.give(answered(), right=False, type_slug="moon-boots")
    assert not Feedback.objects.exists()


@pytest.mark.parametrize("right, slug", [(True, "loafers"), (False, "chelsea-boots")])
def test_what_contradicts_itself_is_refused(right, slug):
    with pytest.raises(feedback.FeedbackContradicts):
        feedback.give(answered(), right, slug)


@pytest.mark.parametrize("token", ["", "nonsense", "a:b:c", "é" * 5000])
def test_id_that_was_not_signed_here_is_refused(token):
    with pytest.raises(AnswerUnknown):
        feedback.give(token, right=True)


def test_id_that_is_too_old_is_refused(settings):
    answer_id = answered()
    settings.ANSWER_ID_HOURS = -1
    with pytest.raises(AnswerExpired):
        feedback.give(answer_id, right=True)


# --- with a photo -----------------------------------------------------------------------------


def test_photo_becomes_an_unlabelled_image_with_the_visitors_word():
    receipt = feedback.give(answered(), right=False, type_slug="loafers", photo=jpeg(1))
    image = image_of(receipt)
    assert (image.label, image.proposed.slug, image.state) == (None, "loafers", "unreviewed")
    assert (image.source, image.consent) == ("visitor", feedback.CONSENT)
    assert receipt.feedback.image_sha256 == image.sha256
    assert receipt.photo == "stored"
    assert storages["media"].exists(image.file_name)
    assert not Review.objects.exists(), "nobody with the right to say so has said anything"


def test_photo_of_a_right_answer_is_proposed_as_answered():
    receipt = feedback.give(answered(), right=True, photo=jpeg(1))
    assert image_of(receipt).proposed.slug == "chelsea-boots"


@pytest.mark.parametrize("right, slug", [(True, ""), (False, "loafers"), (False, "")])
def test_the_queue_shows_the_photo_before_images_without_feedback(right, slug):
    stored_image(7, label=None)
    receipt = feedback.give(answered(), right, slug, photo=jpeg(1))
    image = image_of(receipt)
    assert ShoeImage.objects.order_by("-priority").first() == image
    (card,) = build_cards([image.pk])
    (reason,) = card["reasons"]
    assert reason["slug"] == "feedback"
    assert "Chelsea boots" in reason["note"]


def test_photo_is_kept_without_its_metadata():
    exif = Image.Exif()
    exif[0x010F] = "Secret Camera"
    out = io.BytesIO()
    shoe(seed=3).save(out, "JPEG", exif=exif)
    image = image_of(feedback.give(answered(), right=True, photo=out.getvalue()))
    with storages["media"].open(image.file_name) as file:
        assert b"Secret Camera" not in file.read()


def test_broken_photo_leaves_nothing_and_may_be_sent_again():
    answer_id = answered()
    with pytest.raises(BrokenImage):
        feedback.give(answer_id, right=True, photo=jpeg(1)[:2000])
    assert not Feedback.objects.exists()
    assert feedback.give(answer_id, right=True, photo=jpeg(1)).code


def test_photos_wait_in_the_prediction_limit(monkeypatch):
    answer_id = answered()
    guard = ConcurrencyLimit(concurrency=1, queue=0)
    monkeypatch.setattr(prediction_limit, "limit", guard)
    with guard.turn(), pytest.raises(TooBusy):
        feedback.give(answer_id, right=True, photo=jpeg(1))


def test_photos_are_refused_beyond_their_storage_limit(settings):
    settings.FEEDBACK_PHOTOS_MB = 0
    with pytest.raises(feedback.NoRoom):
        feedback.give(answered(), right=True, photo=jpeg(1))
    assert not ShoeImage.objects.exists()
    feedback.give(answered(), right=True)


# --- a photo that is known --------------------------------------------------------------------


def test_known_photo_is_not_stored_twice():
    known = stored_image(1, label="brogues")
    receipt = feedback.give(answered(), right=False, type_slug="loafers", photo=jpeg(1))
    assert (receipt.photo, receipt.code) == ("known", "")
    assert ShoeImage.objects.get() == known
    known.refresh_from_db()
    assert (known.label.slug, known.proposed, known.consent) == ("brogues", None, "")
    assert Finding.objects.get().suggested == "loafers"


def test_photo_saved_again_is_known():
    stored_image(1)
    out = io.BytesIO()
    Image.open(io.BytesIO(jpeg(1))).save(out, "JPEG", quality=60)
    assert feedback.give(answered(), right=True, photo=out.getvalue()).photo == "known"
    assert ShoeImage.objects.count() == 1


def test_what_curators_answered_about_a_known_photo_stays_answered(member):
    known = stored_image(1, label="brogues")
    feedback.give(answered(), right=False, type_slug="loafers", photo=jpeg(1))
    silence.silence(Finding.objects.all(), member("Curator"))
    feedback.give(answered(), right=False, type_slug="loafers", photo=jpeg(1))
    assert not findings.standing([known.pk])


def test_a_purged_photo_does_not_come_back(member):
    image = stored_image(1)
    purge.purge(ShoeImage.objects.all(), member("Operator"), "Asked.", "one")
    receipt = feedback.give(answered(), right=True, photo=jpeg(1))
    assert (receipt.photo, receipt.code, receipt.feedback.image) == ("known", "", None)
    image.refresh_from_db()
    assert image.state == "purged"


# --- taking it back ---------------------------------------------------------------------------


def test_withdrawal_removes_the_picture_for_good(django_capture_on_commit_callbacks):
    receipt = feedback.give(answered(), right=False, type_slug="loafers", photo=jpeg(1))
    name = image_of(receipt).file_name
    with django_capture_on_commit_callbacks(execute=True):
        feedback.withdraw(receipt.code)
    image = image_of(receipt)
    assert (image.state, image.stored_sha256) == ("purged", "")
    assert not storages["media"].exists(name)
    assert Purge.objects.get().by is None
    row = Feedback.objects.get()
    assert row.withdrawn_at and row.image_sha256 == ""
    assert row.shoe_type.slug == "loafers", "what was said stays"


def test_withdrawing_twice_changes_nothing():
    code = feedback.give(answered(), right=True, photo=jpeg(1)).code
    feedback.withdraw(code)
    feedback.withdraw(code)
    assert Purge.objects.count() == 1


def test_code_may_be_typed_by_hand():
    code = feedback.give(answered(), right=True, photo=jpeg(1)).code
    feedback.withdraw(f" {code.lower().replace('-', ' ')}\n")
    assert Purge.objects.exists()


def test_photo_that_an_operator_removed_before_is_taken_back_all_the_same(member):
    code = feedback.give(answered(), right=True, photo=jpeg(1)).code
    purge.purge(ShoeImage.objects.all(), member("Operator"), "Asked.", "one")
    feedback.withdraw(code)
    assert Feedback.objects.get().withdrawn_at


def test_labelled_photo_is_taken_back_too():
    receipt = feedback.give(answered(), right=True, photo=jpeg(1))
    ShoeImage.objects.update(label=ShoeType.objects.get(slug="uggs"), state="confirmed")
    feedback.withdraw(receipt.code)
    assert image_of(receipt).state == "purged"


@pytest.mark.parametrize("code", ["", "-", "AAAAA-AAAAA-AAAAA-AAAAA", "x" * 10_000])
def test_unknown_code_is_refused(code):
    feedback.give(answered(), right=True)
    with pytest.raises(feedback.WithdrawalUnknown):
        feedback.withdraw(code)


def test_code_itself_is_not_stored():
    receipt = feedback.give(answered(), right=True, photo=jpeg(1))
    row = Feedback.objects.values().get()
    assert receipt.code not in str(row)
    assert len(receipt.code) == 23


def test_withdrawn_photo_is_not_stored_again():
    code = feedback.give(answered(), right=True, photo=jpeg(1)).code
    feedback.withdraw(code)
    assert feedback.give(answered(), right=True, photo=jpeg(1)).photo == "known"
    assert not ShoeImage.objects.exclude(state="purged").exists()


# --- what curators see ------------------------------------------------------------------------


def test_list_shows_what_was_said_and_leads_to_the_photo(client, member):
    receipt = feedback.give(answered(), right=False, type_slug="loafers", photo=jpeg(1))
    feedback.give(answered(DARK), right=True)
    back = feedback.give(answered(), right=True, photo=jpeg(2))
    feedback.withdraw(back.code)
    client.force_login(member("Curator"))
    url = reverse("admin:classifier_feedback_changelist")
    page = client.get(url).content.decode()
    assert reverse("admin:curation_shoeimage_change", args=[receipt.feedback.image_id]) in page
    assert "Loafers" in page and "type: chelsea-boots" in page and "taken back" in page
    assert receipt.code not in page
    for which, number in (("kept", 1), ("withdrawn", 1), ("none", 1)):
        assert client.get(url, {"photo": which}).context["cl"].result_count == number
    detail = reverse("admin:classifier_feedback_change", args=[receipt.feedback.pk])
    assert "chelsea-boots" in client.get(detail).content.decode()


def test_consent_comes_in_with_a_picture():
    image, _ = ingest.add_image(jpeg(1), ingest.Origin(consent="Yes."))
    assert ShoeImage.objects.get(pk=image.pk).consent == "Yes."
