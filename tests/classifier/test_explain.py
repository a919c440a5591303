"""Why an answer is what it is: the class map, the runner-up, trust; the same through every door."""

import dataclasses
import io
import json

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from PIL import Image

from classifier.answers import answer
from classifier.answers.explain import explain
from classifier.api.explanation import ExplainSerializer
from classifier.evaluation import report
from classifier.inference.card import reference_array
from classifier.inference.class_activation import (
    activation_map,
    class_weights,
    contrast_map,
    overlay,
)
from classifier.inference.classify import predict
from classifier.inference.model import Model
from classifier.inference.preprocess import Preprocess, square, window
from classifier.models import ModelVersion
from classifier.registry import serving
from classifier.registry.starter import FOLDER
from curation.models import ShoeType
from curation.taxonomy.guide import Guide
from tests import tiny_model
from tests.drawing import encoded

pytestmark = pytest.mark.django_db
RED, BLUE, CHELSEA_OR_ARMY = (255, 0, 0), (0, 0, 255), (228, 0, 0)
SQUARE = (64, 64)  # twice what the network sees, so colours mix a little where they meet


@pytest.fixture
def version(tmp_path):
    yield tiny_model.activate(tmp_path / "version")
    serving.forget()


def halves(left, right, size=SQUARE) -> Image.Image:
    image = Image.new("RGB", size, right)
    image.paste(left, (0, 0, size[0] // 2, size[1]))
    return image


def explained(image) -> dict:
    return answer.recognise(encoded(image, "PNG"), explained=True)


def plain(colour) -> Image.Image:
    return Image.new("RGB", SQUARE, colour)


def merge(slug: str, into: str) -> None:
    ShoeType.objects.filter(slug=slug).update(merged_into=ShoeType.objects.get(slug=into))


# --- the class map ----------------------------------------------------------------------------


def one(column: int, model: Model) -> np.ndarray:
    return np.eye(len(model.classes), dtype=np.float32)[column]


@pytest.mark.parametrize("which", ["tiny", "starter"])
def test_mean_of_a_map_and_bias_are_the_logit(version, which):
    model = serving.active().model if which == "tiny" else Model.load(FOLDER)
    noise = np.random.default_rng(1).normal(size=(1, 3, *[model.preprocess.size] * 2))
    for batch in (reference_array(model.preprocess), noise.astype(np.float32)):
        logits, _, features = model.run(batch)
        for column in range(len(model.classes)):
            found = activation_map(features[0], model.head, one(column, model))
            assert found.shape == features.shape[2:]
            assert found.mean() + model.head[column, -1] == pytest.approx(
                logits[0, column], abs=1e-3
            )
            found = contrast_map(features[0], model.head, one(column, model))
            bias = model.head[column, -1] - model.head[:, -1].mean()
            beyond = logits[0, column] - logits[0].mean()
            assert found.mean() + bias == pytest.approx(beyond, abs=1e-3)


@pytest.mark.parametrize("colours", [(RED, BLUE), (BLUE, RED)])
def test_map_is_bright_in_the_half_that_decides(version, colours):
    result = explained(halves(*colours))
    assert result["top"][0]["slug"] == "uggs", "dark red is what both halves mix to"
    overlaid = result["explain"]["map"]
    assert overlaid["box"] == [0, 0, 1, 1]
    rows = np.array(overlaid["rows"])
    assert rows.shape == (4, 4)
    red, blue = (rows[:, :2], rows[:, 2:]) if colours[0] == RED else (rows[:, 2:], rows[:, :2])
    assert (red > 0.9).all() and (blue < 0.1).all()


def test_background_of_a_padded_photo_is_no_part_of_the_map():
    found = np.array([[9, 9, 9, 9], [1, 2, 3, 4], [-1, 0, 0, 4], [9, 9, 9, 9]], np.float32)
    overlaid = overlay(found, (96, 48), Preprocess(32))
    assert overlaid["box"] == [0, 0, 1, 1]
    assert overlaid["rows"] == [[0.25, 0.5, 0.75, 1], [0, 0, 0, 1]]


def test_what_counts_for_every_class_alike_is_not_in_the_map(version):
    served = serving.active()
    model = served.model
    prediction = predict(encoded(halves(RED, BLUE), "PNG"), model, features=True)
    mixed = one(2, model)
    more = model.head + np.float32([0, 0, 500, 0])  # blue: as if it spoke for every class
    assert np.allclose(
        contrast_map(prediction.features, more, mixed),
        contrast_map(prediction.features, model.head, mixed),
        atol=0.1,
    )
    assert not np.allclose(
        activation_map(prediction.features, more, mixed),
        activation_map(prediction.features, model.head, mixed),
        atol=9,
    )


def test_map_of_a_cropping_model_has_the_box_of_its_crop():
    spec = Preprocess(224, fit="crop")
    overlaid = overlay(np.ones((7, 7), np.float32), (300, 200), spec)
    assert overlaid["box"] == [0.0625, 0.0625, 0.9375, 0.9375]
    assert np.array(overlaid["rows"]).shape == (7, 7)


@pytest.mark.parametrize("size", [(400, 100), (100, 400), (77, 77), (301, 200)])
@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_window_is_the_part_that_the_network_gets(size, fit):
    spec = Preprocess(64, fit=fit)
    (left, top, right, bottom), (x0, y0, x1, y1) = window(size, spec)
    # What lies inside of the window is drawn black, the rest white: the network sees black there.
    image = Image.new("RGB", size, (255, 255, 255))
    part = (left * size[0], top * size[1], right * size[0], bottom * size[1])
    image.paste((0, 0, 0), tuple(round(edge) for edge in part))
    seen = np.asarray(square(image, spec))[..., 0] < 128
    expected = np.zeros((64, 64), bool)
    expected[round(y0 * 64) : round(y1 * 64), round(x0 * 64) : round(x1 * 64)] = True
    edges = 2 * (64 * 2)  # a pixel at every edge may be either
    assert (seen != expected).sum() <= edges
    assert expected.sum() > 0.2 * 64 * 64


def test_map_is_dark_where_nothing_counts_for_a_class():
    rows = overlay(np.full((4, 4), -3, np.float32), SQUARE, Preprocess(32))["rows"]
    assert rows == [[0.0] * 4] * 4


def test_map_of_no_shoe_shows_what_counts_for_no_shoe(tmp_path):
    tiny_model.activate(tmp_path / "version", {"chelsea-boots": RED, "not-a-shoe": BLUE})
    image = Image.new("RGB", SQUARE, BLUE)
    image.paste(RED, (0, 0, 64, 16))
    result = explained(image)
    assert result["verdict"] == "not_a_shoe"
    rows = np.array(result["explain"]["map"]["rows"])
    assert (rows[0] < 0.05).all() and (rows[1:] > 0.95).all()
    assert result["explain"]["nearest"] == {"state": "none", "photos": []}
    assert result["explain"]["runner_up"] is result["explain"]["trust"] is None


def test_model_with_another_head_has_no_map(version):
    served = serving.active()
    served = serving.Served(version, dataclasses.replace(served.model, head=None))
    prediction = predict(encoded(plain(RED), "PNG"), served.model, features=True)
    assert explain(answer.from_prediction(prediction, served), prediction, served)["map"] is None


def test_merged_types_are_one_map_by_their_shares(version):
    merge("army-boots", into="chelsea-boots")
    image = halves(RED, (200, 0, 60))
    served = serving.active()
    prediction = predict(encoded(image, "PNG"), served.model, features=True)
    slugs = [info.slug for info in served.model.classes]
    members = [slugs.index("chelsea-boots"), slugs.index("army-boots")]
    mixed = class_weights(list(prediction.probabilities.values()), members)
    assert mixed.sum() == pytest.approx(1) and (mixed[members] > 0).all()
    assert mixed[members[0]] / mixed[members[1]] == pytest.approx(
        prediction.probabilities["chelsea-boots"] / prediction.probabilities["army-boots"], rel=1e-4
    )
    found = contrast_map(prediction.features, served.model.head, mixed)
    result = explained(image)
    assert result["top"][0]["slug"] == "chelsea-boots"
    assert result["explain"]["map"] == overlay(found, SQUARE, served.model.preprocess)


# --- the runner-up ----------------------------------------------------------------------------


@pytest.fixture
def tall_boots(tmp_path):
    return tiny_model.activate(
        tmp_path / "tall", {"knee-high-boots": RED, "wellington-boots": (200, 0, 0)}, name="tall"
    )


def test_runner_up_comes_with_the_sentences_that_tell_the_two_apart(tall_boots):
    result = explained(plain(CHELSEA_OR_ARMY))
    second = result["explain"]["runner_up"]
    first = result["top"][0]["slug"]
    assert {key: second[key] for key in ("slug", "name", "confidence")} == {
        key: result["top"][1][key] for key in ("slug", "name", "confidence")
    }
    assert {first, second["slug"]} == {"knee-high-boots", "wellington-boots"}
    texts = {row.slug: row.distinction for row in Guide().types()}
    said_of = list(zip(second["differs"], second["about"], strict=True))
    for sentence, slug in said_of:
        assert sentence in texts[slug], "as it is written"
    knee, wellington = texts["knee-high-boots"], texts["wellington-boots"]
    assert {sentence for sentence, _ in said_of} == {*knee[:2], *wellington[:2]}
    assert [slug for _, slug in said_of] == [first, first, second["slug"], second["slug"]]


def test_unlikely_second_type_is_no_runner_up(version):
    assert explained(plain((0, 255, 0)))["explain"]["runner_up"] is None


def test_runner_up_that_merged_into_the_answer_is_none(version):
    before = explained(plain(CHELSEA_OR_ARMY))["explain"]["runner_up"]
    merge("army-boots", into="chelsea-boots")
    after = explained(plain(CHELSEA_OR_ARMY))["explain"]["runner_up"]
    assert before["slug"] in ("chelsea-boots", "army-boots")
    assert after is None or after["slug"] not in ("chelsea-boots", "army-boots")


def test_type_that_the_guide_never_had_is_explained_without_the_guide(tmp_path):
    tiny_model.activate(tmp_path / "version", {"space-boots": RED, "uggs": (200, 0, 0)})
    result = explained(plain((230, 0, 0)))["explain"]
    assert result["map"] and result["trust"] is None and result["nearest"]["state"] == "none"
    assert result["runner_up"]["differs"] == result["runner_up"]["about"] == []


# --- trust ------------------------------------------------------------------------------------


def judged(version, **per_type) -> None:
    metrics = {"images": 500, "per_type": per_type}
    card = {**version.card, "test": {"metrics": metrics}}
    ModelVersion.objects.filter(pk=version.pk).update(card=card)
    serving.forget()


CHELSEA = {"images": 130, "right": 121, "groups": 72, "accuracy": 121 / 130, "interval": [0.87, 1]}


def test_trust_is_the_accuracy_measured_for_the_type(version):
    judged(version, **{"chelsea-boots": CHELSEA})
    result = explained(plain(RED))["explain"]["trust"]
    served = serving.active()
    known = report.accuracy_by_type(served.version, Guide())["chelsea-boots"]
    assert result == {
        "state": "judged", "accuracy": 0.9308, "interval": [0.87, 1], "images": 130, "groups": 72,
        "sentence": known.sentence,
    }  # fmt: skip


def test_nothing_measured_describes_what_several_learnt_types_became(version):
    judged(version, **{"chelsea-boots": CHELSEA})
    merge("army-boots", into="chelsea-boots")
    result = explained(plain(RED))["explain"]["trust"]
    assert (result["state"], result["accuracy"]) == ("unknown", None)


# --- doors and costs --------------------------------------------------------------------------


def test_api_and_command_line_explain_alike(version, client, tmp_path):
    data = encoded(halves(RED, BLUE, size=(96, 48)), "PNG")
    file = tmp_path / "shoe.png"
    file.write_bytes(data)
    address = "/api/v1/predictions/?explain=1"
    by_api = client.post(address, {"image": SimpleUploadedFile("s", data)}).json()
    out = io.StringIO()
    call_command("predict", file, explain=True, stdout=out)
    by_command = json.loads(out.getvalue())
    assert by_api["explain"] == by_command["explain"]
    shape = ExplainSerializer(data=by_api["explain"])
    assert shape.is_valid(), shape.errors
    assert set(by_api["explain"]) == set(shape.fields)


@pytest.mark.parametrize("query", ["", "?explain=0"])
def test_explanation_is_given_only_on_request(version, client, query):
    data = encoded(plain(RED), "PNG")
    address = f"/api/v1/predictions/{query}"
    assert "explain" not in client.post(address, {"image": SimpleUploadedFile("s", data)}).json()


@pytest.mark.parametrize("query", ["?explain=", "?explain=maybe", "?explain=true"])
def test_explain_parameter_is_yes_or_no(version, client, query):
    data = encoded(plain(RED), "PNG")
    result = client.post(f"/api/v1/predictions/{query}", {"image": SimpleUploadedFile("s", data)})
    assert (result.status_code, result.json()["code"]) == (400, "request_malformed")


def test_answer_without_explanation_costs_no_query(version, django_assert_num_queries):
    answer.recognise(encoded(plain(RED), "PNG"))
    with django_assert_num_queries(2):  # which version is active, and the guide
        answer.recognise(encoded(plain(RED), "PNG"))


def test_features_are_kept_only_for_an_explanation(version):
    model = serving.active().model
    assert predict(encoded(plain(RED), "PNG"), model).features is None
    assert predict(encoded(plain(RED), "PNG"), model, features=True).features.shape == (3, 4, 4)
