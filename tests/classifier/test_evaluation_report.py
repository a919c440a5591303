"""How often a version is right: by type, in words, on the pages, in the API and in the admin."""

import copy
import html
import re

import pytest
from django.urls import reverse
from drf_spectacular.validation import validate_schema

from classifier.evaluation import report, wording
from classifier.evaluation.metrics import MIN_GROUPS
from classifier.management.commands.evaluate import summary
from classifier.models import Evaluation, ModelVersion
from classifier.registry import serving
from curation.models import ShoeType, Snapshot
from curation.taxonomy.guide import Guide
from tests import tiny_model

pytestmark = pytest.mark.django_db

OLD = {  # what evaluations held before scenes, categories and intervals by group
    "images": 130,
    "right": 121,
    "accuracy": 121 / 130,
    "interval": [0.87, 0.96],
    "macro_accuracy": 0.9,
    "top5": 0.999,
    "per_source": {"shop": {"images": 130, "right": 121, "groups": 72, "accuracy": 121 / 130}},
    "confusion": [["chelsea-boots", "uggs", 9]],
    "verdicts": {"learnt": {"type": 100, "category": 20, "unsure": 10, "not_a_shoe": 0}},
    "answered_right": 0.95,
}


def row(right: int, images: int, groups: int, interval=(0.87, 0.96), **more) -> dict:
    figures = {"images": images, "right": right, "groups": groups, "accuracy": right / images}
    return {**figures, **({"interval": list(interval)} if interval else {}), **more}


NONE = {"images": 0, "right": 0, "groups": 0, "accuracy": 0.0, "interval": [0.0, 1.0]}
CHELSEA = row(121, 130, 72)
NEW = {
    **OLD,
    "category_accuracy": 0.97,
    "category_interval": [0.95, 0.98],
    "ece": 0.021,
    "answers": {
        "share": 0.8, "interval": [0.7, 0.86],
        "right": row(100, 104, 60), "right_of_all": row(100, 108, 62),
    },
    "coverage": {
        "precision": 0.95, "share": 0.9, "interval": [0.71, 0.94], "answered": 117, "right": 112,
        "threshold": 0.71234,
    },
    "judged": row(121, 130, 72, types=1, min_groups=MIN_GROUPS, macro_accuracy=0.93),
    "per_category": {"boots": CHELSEA},
    "per_scene": {
        "catalogue": row(93, 100, 60, ece=0.02, answered=0.9, wrong_confident=0.01),
        "street": row(
            18, 30, 20, ece=0.08, answered=0.5, wrong_confident=0.123,
            answers={"share": 0.0, "interval": [0.0, 0.1], "right": NONE},
            coverage={
                "precision": 0.95, "share": 0.0, "interval": [0.0, 0.27], "answered": 0, "right": 0,
                "threshold": None,
            },
        ),
    },
    "refused": {
        "not-a-shoe": {
            "images": 40, "type": 0.05, "category": 0.0, "unsure": 0.2, "not_a_shoe": 0.75,
            "at_kept": 0.934, "kept": 0.95,
        },
    },
}  # fmt: skip


@pytest.fixture
def version(tmp_path):
    yield tiny_model.activate(tmp_path / "version")
    serving.forget()


def judge(version, per_type: dict, name="spring", **figures) -> Evaluation:
    frozen = Snapshot.objects.create(name=name, digest=name)
    metrics = copy.deepcopy({**OLD, **figures, "per_type": per_type})
    return Evaluation.objects.create(
        version=version, snapshot=frozen, state="done", metrics=metrics
    )


def write_card(version, **more) -> None:
    """Put more on a version's card, as an export of a starter does."""
    ModelVersion.objects.filter(pk=version.pk).update(card={**version.card, **more})
    serving.forget()


def known() -> dict[str, report.TypeAccuracy]:
    served = serving.active()
    return report.accuracy_by_type(served.version, Guide())


def text(response) -> str:
    """What a person reads."""
    body = re.sub(r"<template.*?</template>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def entry(page, slug: str) -> str:
    """What the guide's list says of a type, before it is unfolded."""
    source = page.content.decode()
    summary = re.search(rf'id="{slug}"[^>]*>\s*<summary>(.*?)</summary>', source, re.DOTALL)[1]
    return " ".join(re.sub(r"<[^>]+>", " ", summary).split())


# --- states -----------------------------------------------------------------------------------


def test_each_type_is_judged_or_says_why_not(version):
    judge(version, {"chelsea-boots": CHELSEA, "uggs": row(5, 5, 3)})
    said = known()
    assert len(said) == 36
    assert said["chelsea-boots"] == report.TypeAccuracy(
        "judged", 121 / 130, (0.87, 0.96), images=130, groups=72
    )
    assert said["uggs"] == report.TypeAccuracy("too-few", images=5, groups=3)
    assert said["sandals"] == report.TypeAccuracy("too-few"), "judged without one photo of it"
    assert said["golf-shoes"] == report.TypeAccuracy("not-learnt")


def test_a_version_that_nobody_judged_is_unknown(version):
    states = {slug: one.state for slug, one in known().items()}
    assert states["chelsea-boots"] == "unknown"
    assert states["golf-shoes"] == "not-learnt"


@pytest.mark.parametrize("groups, state", [(MIN_GROUPS - 1, "too-few"), (MIN_GROUPS, "judged")])
def test_eight_products_are_enough(version, groups, state):
    judge(version, {"uggs": row(19, 20, groups)})
    said = known()["uggs"]
    assert (said.state, said.images, said.groups) == (state, 20, groups)
    assert (said.accuracy is None) == (state == "too-few")


def test_an_interval_may_be_missing(version):
    judge(version, {"uggs": row(19, 20, 10, interval=None)})
    assert known()["uggs"].interval is None
    assert known()["uggs"].sentence == "Right in 95% of 20 test photos (10 products)."


def test_a_type_seen_in_one_place_carries_a_caveat(version, client):
    seen = {
        "chelsea-boots": {"sources": {"one shop": 96, "others": 4}},
        "uggs": {"sources": {"one shop": 79, "others": 21}},
    }
    write_card(version, training={"seen": seen})
    judge(version, {"chelsea-boots": CHELSEA, "uggs": CHELSEA})
    said = known()
    assert said["chelsea-boots"].one_source == 0.96
    assert said["uggs"].caveat == said["sandals"].caveat == said["golf-shoes"].caveat == ""
    page = text(client.get(reverse("guide-type", args=["chelsea-boots"])))
    assert "96% of the training photos of this type come from one source" in page
    assert "come from one source" not in text(client.get(reverse("guide-type", args=["uggs"])))


def test_only_a_finished_evaluation_counts_and_the_newest_of_those(version):
    judge(version, {"uggs": row(10, 20, 10)}, "first")
    judge(version, {"uggs": row(15, 20, 10)}, "second")
    unfinished = judge(version, {"uggs": row(20, 20, 10)}, "third")
    Evaluation.objects.filter(pk=unfinished.pk).update(state="failed")
    assert known()["uggs"].accuracy == 0.75


def test_figures_on_the_card_stand_in_until_the_version_is_judged_here(version):
    write_card(version, test={"snapshot": {}, "metrics": {"per_type": {"uggs": row(12, 20, 10)}}})
    assert known()["uggs"].accuracy == 0.6
    judge(version, {"uggs": row(15, 20, 10)})
    assert known()["uggs"].accuracy == 0.75


def test_a_few_photos_of_ones_own_do_not_replace_what_the_version_came_with(version):
    metrics = {"images": 2000, "per_type": {"uggs": row(12, 20, 10)}}
    write_card(version, test={"snapshot": {}, "metrics": metrics})
    judge(version, {"uggs": row(15, 20, 10)}, "few")
    assert known()["uggs"].accuracy == 0.6
    judge(version, {"uggs": row(16, 20, 10)}, "as many", images=2000)
    assert known()["uggs"].accuracy == 0.8


def test_estimates_come_from_the_card_for_learnt_types(version):
    estimate = row(20, 31, 17)
    write_card(version, out_of_fold={"per_type": {"uggs": estimate, "golf-shoes": estimate}})
    judge(version, {"uggs": row(5, 5, 3)})
    assert known()["uggs"].out_of_fold == estimate
    assert known()["golf-shoes"].out_of_fold is None


def merge(slug: str, into: str) -> None:
    survivor = ShoeType.objects.get(slug=into)
    ShoeType.objects.filter(slug=slug).update(merged_into=survivor)


def test_figures_of_a_merged_type_follow_it_where_they_describe_it(version):
    judge(version, {"army-boots": CHELSEA})
    merge("army-boots", into="cowboy-boots")
    assert known()["cowboy-boots"].state == "judged"
    assert "army-boots" not in known()


def test_two_learnt_types_merged_into_one_are_unknown(version):
    estimates = {"per_type": {"uggs": row(20, 31, 17)}}
    write_card(version, out_of_fold=estimates)
    judge(version, {"army-boots": CHELSEA, "uggs": CHELSEA})
    merge("army-boots", into="uggs")
    assert known()["uggs"] == report.TypeAccuracy("unknown")


def test_a_merged_type_without_a_row_is_not_said_to_have_no_photos(version):
    judge(version, {"uggs": CHELSEA})
    merge("army-boots", into="cowboy-boots")
    assert known()["cowboy-boots"].state == "unknown"


def test_one_query_at_most(version, django_assert_num_queries):
    judge(version, {"uggs": CHELSEA})
    served, guide = serving.active(), Guide()
    with django_assert_num_queries(1):
        measured = report.metrics_of(served.version)
    with django_assert_num_queries(0):
        report.accuracy_by_type(served.version, guide, measured)


# --- words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, digits, said",
    [
        (0, 0, "0%"), (0.004, 0, "<1%"), (0.006, 0, "1%"), (0.934, 0, "93%"),
        (0.994, 0, "99%"), (0.996, 0, ">99%"), (1, 0, "100%"), (1 - 1e-15, 0, "100%"),
        (0.0004, 1, "<0.1%"), (0.9346, 1, "93.5%"), (0.9996, 1, ">99.9%"), (1.0, 1, "100%"),
    ],
)  # fmt: skip
def test_shares_are_never_rounded_to_none_or_all(value, digits, said):
    assert wording.percentage(value, digits) == said


def test_all_and_none_are_said_with_their_number():
    everything = report.TypeAccuracy("judged", 1.0, (0.68, 1.0), images=1200, groups=8)
    assert everything.short == "1,200 of 1,200 right"
    assert everything.sentence == (
        "Right in all 1,200 test photos (8 products; 95% interval 68% to 100%)."
    )
    nothing = report.TypeAccuracy("judged", 0.0, (0.0, 0.32), images=9, groups=8)
    assert nothing.short == "0 of 9 right"
    assert nothing.sentence.startswith("Right in none of 9 test photos (8 products; ")


# --- pages ------------------------------------------------------------------------------------


def test_the_page_of_a_judged_type_says_how_often_the_model_is_right(client, version):
    judge(version, {"chelsea-boots": CHELSEA})
    write_card(version, out_of_fold={"per_type": {"chelsea-boots": row(20, 31, 17)}})
    said = text(client.get("/guide/chelsea-boots/"))
    assert "Right in 93% of 130 test photos (72 products; 95% interval 87% to 96%)." in said
    assert "estimate" not in said, "there is a better figure"
    assert "too few to judge" not in said


def test_the_page_of_a_type_with_few_test_photos_gives_an_estimate(client, version):
    judge(version, {"uggs": row(1, 1, 1)})
    said = text(client.get("/guide/uggs/"))
    assert "too few to judge Only 1 test photo of it (1 product), so how often" in said
    assert "100%" not in said and "estimate" not in said
    write_card(version, out_of_fold={"folds": 3, "per_type": {"uggs": row(20, 31, 17)}})
    said = text(client.get("/guide/uggs/"))
    assert "estimate from smaller trainings" in said
    assert "right in 65% of 31 photos (17 products; 95% interval 87% to 96%)" in said
    assert "There is no test photo of it" in text(client.get("/guide/sandals/"))


def test_the_page_of_a_type_that_was_never_judged_says_so(client, version):
    assert "not judged yet How often the model is right" in text(client.get("/guide/uggs/"))
    assert "not judged yet" not in text(client.get("/guide/golf-shoes/"))


def test_the_guide_has_a_few_words_beside_each_type(client, version):
    judge(version, {"chelsea-boots": CHELSEA, "uggs": row(5, 5, 3), "brogues": row(9, 9, 8)})
    merge("army-boots", into="cowboy-boots")
    page = client.get("/guide/")
    assert entry(page, "chelsea-boots") == "Chelsea boots 93% right"
    assert entry(page, "brogues") == "Brogues 9 of 9 right"
    assert entry(page, "uggs") == "Uggs too few to judge"
    assert entry(page, "golf-shoes") == "Golf shoes not learnt yet"
    assert entry(page, "cowboy-boots") == "Cowboy boots not judged yet"
    assert "Beside each type stands how often the model is right" in text(page)


def test_the_guide_says_once_that_nothing_was_measured(client, version):
    page = client.get("/guide/")
    assert "How often the model on duty is right has not been measured." in text(page)
    assert entry(page, "uggs") == "Uggs"
    assert entry(page, "golf-shoes") == "Golf shoes not learnt yet"


def test_the_guide_tells_catalogue_photos_from_those_of_people(client, version):
    judge(version, {"uggs": CHELSEA}, per_scene=NEW["per_scene"])
    assert (
        "it is right in 93% of catalogue photos and in 60% of photos as people take them"
        in text(client.get("/guide/"))
    )


@pytest.mark.parametrize(
    "scenes",
    [
        {"catalogue": row(93, 100, 60)},
        {"catalogue": row(93, 100, 60), "street": row(1, 7, MIN_GROUPS - 1)},
        None,
    ],
)
def test_too_few_photos_of_people_say_nothing(client, version, scenes):
    judge(version, {"uggs": CHELSEA}, per_scene=scenes)
    assert "as people take them" not in text(client.get("/guide/"))
    home = text(client.get("/"))
    assert "Works best: one shoe, from the side" in home
    assert "harder" not in home


def test_the_recogniser_says_that_worn_shoes_are_harder_only_where_they_are(client, version):
    evaluation = judge(version, {"uggs": CHELSEA}, per_scene=NEW["per_scene"])
    harder = "harder: the model is right in 60% of those and in 93% of catalogue photos"
    assert harder in text(client.get("/"))
    evaluation.metrics["per_scene"]["street"] = row(30, 30, 20)
    evaluation.save()
    assert "harder" not in text(client.get("/"))


def test_without_a_model_nothing_is_said_about_it(client):
    said = text(client.get("/guide/")) + text(client.get("/guide/uggs/")) + text(client.get("/"))
    for words in ("judged", "measured", "Beside each type", "Works best"):
        assert words not in said


@pytest.mark.parametrize("path, most", [("/", 3), ("/guide/", 4), ("/guide/uggs/", 3)])
def test_pages_of_a_judged_version_take_few_queries(
    client, version, django_assert_max_num_queries, path, most
):
    judge(version, {"uggs": CHELSEA}, **NEW)
    with django_assert_max_num_queries(most):
        assert client.get(path).status_code == 200


# --- API --------------------------------------------------------------------------------------


def test_api_gives_the_figures_of_each_type(client, version):
    judge(version, {"chelsea-boots": CHELSEA, "uggs": row(5, 5, 3)})
    said = {row["slug"]: row["accuracy"] for row in client.get("/api/v1/types/").json()}
    nothing = {"accuracy": None, "interval": None, "images": 0, "groups": 0}
    assert said["chelsea-boots"] == {
        "state": "judged", "accuracy": 0.9308, "interval": [0.87, 0.96],
        "images": 130, "groups": 72,
    }  # fmt: skip
    assert said["uggs"] == {**nothing, "state": "too-few", "images": 5, "groups": 3}
    assert said["golf-shoes"] == {**nothing, "state": "not-learnt"}
    assert client.get("/api/v1/types/uggs/").json()["accuracy"] == said["uggs"]


def test_api_gives_no_figures_without_a_model(client):
    assert client.get("/api/v1/types/uggs/").json()["accuracy"] is None


def test_api_asks_once_for_all_types(client, version, django_assert_max_num_queries):
    judge(version, {"uggs": CHELSEA})
    with django_assert_max_num_queries(3):
        client.get("/api/v1/types/")


def test_schema_describes_the_figures(client):
    schema = client.get("/api/v1/schema/", HTTP_ACCEPT="application/vnd.oai.openapi+json").json()
    validate_schema(schema)
    shapes = schema["components"]["schemas"]
    assert "AccuracyShape" in str(shapes["TypeShape"]["properties"]["accuracy"])
    assert set(shapes["AccuracyShape"]["properties"]) == {
        "state", "accuracy", "interval", "images", "groups",
    }  # fmt: skip
    assert "null" in str(shapes["TypeShape"]["properties"]["accuracy"]).lower()


# --- admin and command ------------------------------------------------------------------------


def admin_page(client, row) -> str:
    name = f"admin:classifier_{row._meta.model_name}_change"
    response = client.get(reverse(name, args=[row.pk]))
    assert response.status_code == 200
    return text(response)


def test_an_evaluations_page_shows_every_table(admin_client, version):
    figures = {key: value for key, value in NEW.items() if key != "per_type"}
    said = admin_page(
        admin_client, judge(version, {"chelsea-boots": CHELSEA, "uggs": row(5, 5, 3)}, **figures)
    )
    assert "93.1% right over the 1 type with at least 8 test groups" in said
    assert "97.0% right about the category (95% interval 95.0% to 98.0%)" in said
    assert "calibration error 2.1%" in said
    assert "chelsea-boots 93% 87% to 96% 121 130 72" in said
    assert "uggs 100% 87% to 96% 5 5 3 (too few to judge)" in said
    assert "boots 93% 87% to 96% 121 130 72" in said
    assert "shop 93% – 121 130 72" in said
    assert "street 60% 87% to 96% 18 30 20 8.0% 50.0% 12.3%" in said
    assert "not-a-shoe 40 5.0% 0% 20.0% 75.0% 93.4% while 95% of shoes stay" in said
    assert "coverage at 95% precision 95% interval from a confidence of" in said
    assert "all 130 80.0% 70% to 86% 96.2% 87% to 96% 90.0% 71% to 94% 0.712" in said
    assert "street 30 0% 0% to 10% – – 0% 0% to 27% –" in said


def test_an_old_or_unfinished_evaluations_page_opens(admin_client, version):
    old = judge(version, {"uggs": row(19, 20, 10, interval=None)})
    said = admin_page(admin_client, old)
    assert "93.1% right (121 of 130 test images" in said
    assert "uggs 95% – 19 20 10" in said and "coverage" not in said
    Evaluation.objects.filter(pk=old.pk).update(metrics={}, state="queued")
    assert "Result: –" in admin_page(admin_client, old)


def test_a_versions_page_shows_the_cards_figures_until_it_is_judged(admin_client, version):
    metrics = {**NEW, "per_type": {"uggs": row(12, 20, 10)}}
    write_card(version, test={"metrics": metrics})
    version.refresh_from_db()
    said = admin_page(admin_client, version)
    assert "The figures below are from its card." in said
    assert "uggs 60% 87% to 96% 12 20 10" in said
    versions = reverse("admin:classifier_modelversion_changelist")
    assert "93.1%, says its card" in text(admin_client.get(versions))
    judge(version, {"uggs": row(15, 20, 10)})
    said = admin_page(admin_client, version)
    assert "spring : 93.1% right" in said
    assert "uggs 60% 87% to 96% 12 20 10" not in said
    assert "93.1% on spring" in text(admin_client.get(versions))


def test_a_versions_page_keeps_the_cards_figures_beside_a_small_evaluation(admin_client, version):
    metrics = {**NEW, "images": 2000, "per_type": {"uggs": row(12, 20, 10)}}
    write_card(version, test={"metrics": metrics})
    judge(version, {"uggs": row(15, 20, 10)})
    version.refresh_from_db()
    said = admin_page(admin_client, version)
    assert "judged on fewer photos here than the figures below, from its card" in said
    assert "spring : 93.1% right" in said and "uggs 60% 87% to 96% 12 20 10" in said


def test_a_versions_page_shows_estimates_and_sizes_where_its_card_has_them(admin_client, version):
    said = admin_page(admin_client, version)
    assert "Estimates" not in said and "milliseconds" not in said
    write_card(
        version,
        out_of_fold={
            "folds": 3, "recipe": "quick-look", "images_per_label": 45,
            "per_type": {"uggs": row(20, 31, 17)},
        },
        sizes=[{"size": 160, "accuracy": 0.91, "street": 0.613, "milliseconds": 11.44}],
    )  # fmt: skip
    said = admin_page(admin_client, version)
    assert "3 trainings with “quick-look” and at most 45 images" in said
    assert "uggs 65% 87% to 96% 20 31 17" in said
    assert "160 91.0% 61.3% 11.4" in said


def test_a_terminal_gets_what_says_most_first():
    lines = summary({**NEW, "per_type": {"uggs": row(5, 5, 3), "chelsea-boots": CHELSEA}})
    assert lines[0].startswith("93.1% right over the 1 type with at least 8 test groups")
    assert lines[1].startswith("93.1% right (121 of 130 test images, 95% interval 87.0% to 96.0%)")
    words = [
        "category (95%",
        "calibration",
        "by its own",
        "coverage at",
        "catalogue",
        "street",
        "not-a-shoe",
        "boots",
        "uggs",
    ]
    found = [next(n for n, line in enumerate(lines) if word in line) for word in words]
    assert found == sorted(found)
    (street,) = [line for line in lines if "street" in line]
    assert "calibration error 8.0%, answered with a type 50.0%, with a wrong type 12.3%" in street
    assert street.endswith(", coverage at 95% precision 0% (0% to 27%)")
    assert lines[4] == (
        "80.0% answered with a type by its own threshold (95% interval 70.0% to 86.0%), "
        "96.2% of these right (95% interval 87.0% to 96.0%), "
        "92.6% counting what is no type (95% interval 87.0% to 96.0%)"
    )
    assert lines[5] == (
        "90.0% coverage at 95% precision (95% interval 71.0% to 94.0%), "
        "answering from a confidence of 0.712"
    )
    (uggs,) = [line for line in lines if "uggs" in line]
    assert uggs.endswith("(too few to judge)")


def test_a_terminal_gets_what_an_old_evaluation_holds():
    lines = summary({**OLD, "per_type": {"uggs": row(19, 20, 10, interval=None)}})
    assert len(lines) == 2
    assert "19 of 20 images, 10 groups" in lines[1]
