"""The queue: filter, facets, pages with claims, cards, copies."""

import random
from datetime import timedelta
from urllib.parse import unquote

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from curation.decisions import history, undo
from curation.issues import findings, reasons, write
from curation.issues.new_finding import NewFinding
from curation.models import (
    Assessment,
    AssessRun,
    Collection,
    Finding,
    QueueClaim,
    ShoeImage,
    ShoeType,
    WorkList,
)
from curation.queue import pages
from curation.queue.cards import build_cards
from curation.queue.claims import release, renew
from curation.queue.copies import find_copies, keep_all
from curation.queue.cursor import Cursor
from curation.queue.facets import count_facets, find_values
from curation.queue.filter import FACETS, Filter, QueueError
from curation.queue.labels import describe_type, list_labels
from curation.queue.pages import next_page
from tests import decisions
from tests.factories import row, shoe_type

pytestmark = pytest.mark.django_db


def chosen(query: str) -> Filter:
    return Filter.from_query(QueryDict(query))


def made(number: int, **fields) -> ShoeImage:
    image = row(number, **fields)
    image.save()
    return image


def crowd(count: int = 300, seed: int = 1) -> None:
    """Rows of every kind, with reasons and priorities that fit each other."""
    chance = random.Random(seed)
    types = list(ShoeType.objects.filter(slug__in=["uggs", "mules", "oxford-shoes", "not-a-shoe"]))
    collections = [Collection.objects.create(shoe_type=types[0]) for _ in range(2)]
    lists = [WorkList.objects.create(name=name) for name in ("confused", "far away")]
    rows = []
    for number in range(count):
        state = chance.choice(["unreviewed", "unreviewed", "confirmed", "rejected"])
        live = state != "rejected"
        open_reasons = (
            chance.sample(reasons.REASONS[:5], chance.choice([0, 0, 1, 2])) if live else []
        )
        priority = {"unreviewed": 0.001, "confirmed": 0.0, "rejected": -1.0}[state]
        given = chance.choice([*types, None]) if state != "confirmed" else chance.choice(types)
        labelled = state == "confirmed" or chance.random() < 0.5
        rows.append(
            row(
                number,
                state=state,
                label=given if labelled else None,
                proposed=None if labelled else given,
                reasons=reasons.mask(reason.slug for reason in open_reasons),
                priority=max((r.precision for r in open_reasons), default=priority),
                suggested=chance.choice(["", "uggs", "mules"]),
                source=chance.choice(["", "shop", "street"]),
                domain=chance.choice(["", "a.example", "b.example"]),
                licence=chance.choice(["unknown", "CC-BY"]),
                collection=chance.choice([*collections, None]),
            )
        )
    ShoeImage.objects.bulk_create(rows)
    images = list(ShoeImage.objects.order_by("id"))
    for work_list in lists:
        work_list.images.set(chance.sample(images, 40))


def values_of(name: str) -> list[str]:
    """Values to choose from in a facet of the crowd."""
    return {
        "reason": ["unreviewed", "label-issue", "leakage"],
        "given": ["uggs", "mules", "none"],
        "suggested": ["uggs", "none"],
        "state": ["unreviewed", "confirmed", "rejected"],
        "split": ["train", "test"],
        "source": ["", "shop"],
        "collection": [str(pk) for pk in Collection.objects.values_list("pk", flat=True)],
        "domain": ["", "b.example"],
        "licence": ["CC-BY"],
        "list": [str(pk) for pk in WorkList.objects.values_list("pk", flat=True)],
    }[name]


def expected_values() -> dict[int, dict[str, set]]:
    """Image → facet → its values, read from the rows."""
    images = ShoeImage.objects.select_related("label", "proposed").prefetch_related("work_lists")
    return {
        image.pk: {
            "reason": {*reasons.slugs(image.reasons), image.state} - {"confirmed", "rejected"},
            "given": {image.given.slug if image.given else "none"},
            "suggested": {image.suggested or "none"},
            "state": {image.state},
            "split": {image.split},
            "source": {image.source},
            "collection": {str(image.collection_id)},
            "domain": {image.domain},
            "licence": {image.licence},
            "list": {str(each.pk) for each in image.work_lists.all()},
        }
        for image in images
    }


def passes(facts: dict, filter: Filter, but: str = "") -> bool:
    for name in FACETS:
        if name != but and filter.choices(name) and not facts[name] & set(filter.choices(name)):
            return False
    if filter.doubtful and facts["suggested"] & {"none", *facts["given"]}:
        return False
    if filter.state or but == "state":
        return True
    if facts["state"] == {"rejected"}:
        return False
    return bool(filter.list) or but == "list" or bool(facts["reason"])


def some_filters(count: int = 25) -> list[Filter]:
    chance = random.Random(7)
    found = [Filter()]
    for _ in range(count):
        names = chance.sample(list(FACETS), chance.choice([1, 1, 2, 3]))
        pick = {
            name: tuple(
                sorted(
                    chance.sample(values_of(name), chance.choice([1, min(2, len(values_of(name)))]))
                )
            )
            for name in names
        }
        found.append(Filter(**pick, doubtful=chance.random() < 0.2))
    return found


def test_every_filter_finds_the_images_that_match_its_choices():
    crowd()
    values = expected_values()
    for filter in some_filters():
        expected = {pk for pk, facts in values.items() if passes(facts, filter)}
        assert set(filter.images().values_list("pk", flat=True)) == expected, filter.to_query()


def test_counts_equal_counting_in_python():
    crowd()
    values = expected_values()
    for filter in some_filters():
        counted = count_facets(filter, limit=100)
        assert counted.total == filter.images().count()
        for facet in counted.facets:
            held = [facts for facts in values.values() if passes(facts, filter, facet.name)]
            for value in facet.values:
                number = sum(value.value in facts[facet.name] for facts in held)
                assert value.count == number, (filter.to_query(), facet.name, value.value)


def test_doubtful_labels_are_counted_without_being_chosen():
    made(1, label=shoe_type("uggs"), suggested="mules")
    made(2, label=shoe_type("uggs"), suggested="uggs")
    made(3, proposed=shoe_type("mules"), suggested="uggs")
    made(4, label=shoe_type("uggs"))
    made(5, suggested="uggs")
    assert count_facets(Filter()).doubtful == 3
    assert chosen("doubtful=1").images().count() == 3


def test_confirmed_images_without_findings_must_be_chosen():
    made(1, state="confirmed", label=shoe_type(), priority=0.0)
    new = made(2)
    assert list(Filter().images()) == [new]
    assert chosen("state=confirmed").images().count() == 1


def test_work_list_includes_confirmed_images():
    settled = made(1, state="confirmed", label=shoe_type(), priority=0.0)
    rejected = made(2, state="rejected", priority=-1.0)
    work_list = WorkList.objects.create(name="a cell of the table")
    work_list.images.set([settled, rejected])
    assert list(chosen(f"list={work_list.pk}").images()) == [settled]


def test_address_of_a_filter_reads_back_as_it():
    crowd(60)
    for filter in some_filters():
        assert chosen(filter.to_query()) == filter
    filter = chosen("given=mules&given=uggs&source=&reason=unreviewed&page=3&doubtful=1")
    assert filter.given == ("mules", "uggs") and filter.source == ("",)
    assert filter.to_query() == "reason=unreviewed&given=mules&given=uggs&source=&doubtful=1"


@pytest.mark.parametrize(
    "query",
    ["reason=ugly", "given=sofas", "suggested=sofas", "state=purged", "split=exam",
     "collection=x", "list=-1", "list=%C2%B2", "collection=99999999999999999999"],
)  # fmt: skip
def test_unknown_value_is_refused_in_words(query):
    with pytest.raises(QueueError) as refused:
        chosen(query)
    assert "cannot be filtered" in refused.value.detail
    assert unquote(query.partition("=")[2]) in refused.value.detail


@pytest.mark.parametrize("place", ["", "x", "nan_3", "inf_3", "1_-4", "1_99999999999999999999"])
def test_invalid_cursor_is_refused(place):
    with pytest.raises(QueueError):
        Cursor.parse(place, QueueError("place", place))


def test_values_are_listed_by_count_the_chosen_first_and_the_rest_found_by_typing():
    for number in range(12):
        for times in range(12 - number):
            made(100 * number + times, domain=f"host{number}.example")
    domains = next(
        f for f in count_facets(chosen("domain=host9.example"), 4).facets if f.name == "domain"
    )
    assert [value.value for value in domains.values] == [
        "host9.example", "host0.example", "host1.example", "host2.example",
    ]  # fmt: skip
    assert domains.values[0].chosen and domains.more == 8
    found = find_values(Filter(), "domain", "HOST1")
    assert {value.value for value in found.values} == {
        "host1.example", "host10.example", "host11.example",
    }  # fmt: skip


def test_pages_follow_each_other_without_gaps_and_repeats(member):
    crowd()
    kim, after, seen = member("Curator"), None, []
    while True:
        page = next_page(Filter(), kim, after, size=17)
        seen += [card["id"] for card in page.cards]
        if page.after is None:
            break
        after = Cursor.parse(str(page.after), QueueError("place", ""))
    assert seen == list(Filter().images().values_list("pk", flat=True))


def test_page_goes_on_where_it_was_when_decisions_move_images(member):
    images = [made(number) for number in range(6)]
    kim = member("Curator")
    first = next_page(Filter(), kim, size=3)
    decisions.reject(images[:3], by=kim)
    second = next_page(Filter(), kim, first.after, size=3)
    assert [card["id"] for card in second.cards] == [image.pk for image in images[3:]]


def test_images_on_a_page_are_left_out_of_other_peoples_pages(member):
    images = [made(number) for number in range(4)]
    kim, ana = member("Curator"), member("Curator", name="ana")
    hers = next_page(Filter(), ana, size=2)
    his = next_page(Filter(), kim, size=4)
    assert [card["id"] for card in hers.cards] == [image.pk for image in images[:2]]
    assert [card["id"] for card in his.cards] == [image.pk for image in images[2:]]
    assert (hers.claimed, his.claimed) == (0, 2)
    assert len(next_page(Filter(), ana, size=2).cards) == 2, "her own page again"


def test_claims_expire_are_renewed_and_released(member):
    image = made(1)
    kim, ana = member("Curator"), member("Curator", name="ana")
    next_page(Filter(), ana)
    assert next_page(Filter(), kim).cards == []
    QueueClaim.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert next_page(Filter(), kim).cards[0]["id"] == image.pk
    assert QueueClaim.objects.get().by == kim
    assert renew(ana, [image.pk]) == 0, "it is his now"
    assert release(ana) == 0
    assert release(kim, [image.pk]) == 1
    assert renew(ana, [image.pk, 10**9]) == 1


def test_image_claimed_between_query_and_claim_is_left_out(member, monkeypatch):
    images = [made(number) for number in range(3)]
    kim, ana = member("Curator"), member("Curator", name="ana")
    claim = pages.claim

    def late(pks, by):
        claim([images[0].pk], ana)
        return claim(pks, by)

    monkeypatch.setattr(pages, "claim", late)
    assert [card["id"] for card in next_page(Filter(), kim, size=2).cards] == [images[1].pk]


def test_a_page_without_a_person_claims_nothing():
    made(1)
    assert len(next_page(Filter()).cards) == 1
    assert not QueueClaim.objects.exists()


def assessed(images, suggested="mules") -> AssessRun:
    """An assessment that suggests something else for every image."""
    run = AssessRun.objects.create(state="done")
    Assessment.objects.bulk_create(
        Assessment(run=run, image=i, suggested=suggested, top=[[suggested, 0.8], ["uggs", 0.2]])
        for i in images
    )
    ShoeImage.objects.filter(pk__in=[i.pk for i in images]).update(suggested=suggested)
    found = [NewFinding(i.pk, "label-issue", 0.7, suggested=suggested) for i in images]
    write.record(run, found)
    write.publish(run)
    findings.refresh([i.pk for i in images])
    return run


def test_page_takes_as_many_queries_for_sixty_cards_as_for_two(member):
    images = [made(number, label=shoe_type()) for number in range(60)]
    kim = member("Curator")
    assessed(images)
    decisions.leave(images, by=kim, note="which?")
    counts = []
    next_page(Filter(), kim)  # claims that are there already are renewed
    for size in (2, 60):
        with CaptureQueriesContext(
            connection,
        ) as captured:
            page = next_page(Filter(), kim, size=size)
        assert len(page.cards) == size
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 20


def test_card_has_what_a_decision_needs(member):
    image = made(1, label=shoe_type("oxford-shoes"), source="shop", group="shop:1")
    kim = member("Curator")
    assessed([image])
    batch = decisions.leave([image], by=kim, note="the sole?")
    (card,) = build_cards([image.pk])
    assert card["given"] == {"slug": "oxford-shoes", "name": shoe_type("oxford-shoes").name}
    assert card["suggested"]["slug"] == "mules" and card["suggested"]["probability"] == 0.8
    assert [likely["slug"] for likely in card["top"]] == ["mules", "uggs"]
    assert [reason["slug"] for reason in card["reasons"]] == ["label-issue", "left"]
    assert card["reasons"][1]["note"] == "the sole?"
    assert card["last"]["who"] == "kim" and card["last"]["batch"] == str(batch)
    assert card["seen"] == history.newest_decisions([image.pk])[image.pk]
    assert (card["state"], card["group"], card["pair"]) == ("unreviewed", "shop:1", False)


def test_suggested_type_that_was_merged_is_shown_as_the_one_that_stands_for_it():
    ShoeType.objects.filter(slug="mules").update(merged_into=shoe_type("loafers"))
    image = made(1, label=shoe_type("oxford-shoes"))
    assessed([image])
    (card,) = build_cards([image.pk])
    assert card["suggested"]["slug"] == "loafers" and card["suggested"]["probability"] == 0.8


def test_feedback_is_suggested_where_the_model_agrees_with_the_label():
    image = made(1, label=shoe_type("oxford-shoes"), suggested="oxford-shoes")
    write.add_finding(image, "feedback", suggested="loafers")
    (card,) = build_cards([image.pk])
    assert card["suggested"] == {**card["suggested"], "slug": "loafers", "probability": None}


def copies_of(images, reason="near-duplicate") -> None:
    """All are copies of the first."""
    run = AssessRun.objects.create(state="done")
    found = [NewFinding(i.pk, reason, 0.9, other=images[0].sha256) for i in images[1:]]
    write.record(run, found)
    write.publish(run)
    findings.refresh([i.pk for i in images])


def test_copies_are_listed_with_the_one_to_keep_first():
    images = [made(number, label=shoe_type(), width=500 + number) for number in range(3)]
    copies_of(images)
    for image in images:
        found = find_copies(image.pk)
        assert found.proposed == images[0].pk == found.cards[0]["id"]
        assert {card["id"] for card in found.cards} == {each.pk for each in images}
    differs = {name: differ for name, _, differ in found.rows}
    assert differs["Size"] and not differs["Label"]


def test_more_copies_than_digits_are_cut_but_never_the_image_itself(settings):
    settings.QUEUE_COPIES = 3
    images = [made(number) for number in range(6)]
    copies_of(images)
    found = find_copies(images[5].pk)
    assert len(found.cards) == 3 and found.more == 3
    assert images[5].pk in {card["id"] for card in found.cards}


def test_image_without_copies_is_listed_alone():
    image = made(1, state="rejected", priority=-1.0)
    assert [card["id"] for card in find_copies(image.pk).cards] == [image.pk]


def test_copies_kept_on_purpose_are_silenced_and_can_be_reopened(member):
    images = [made(number) for number in range(3)]
    copies_of(images)
    kim = member("Curator")
    batch = keep_all([image.pk for image in images], kim)
    assert not findings.standing([image.pk for image in images])
    assert set(Finding.objects.values_list("outcome", flat=True)) == {"kept"}
    assert undo.undo_step(batch, kim) == [image.pk for image in images[1:]]
    assert len(findings.standing([image.pk for image in images])) == 2
    with pytest.raises(history.DecisionRefused):
        undo.undo_step(batch, kim)


def test_examples_of_a_type_are_confirmed_and_without_findings(settings):
    settings.QUEUE_EXAMPLES = 2
    uggs = shoe_type("uggs")
    clean = [made(n, label=uggs, state="confirmed", priority=0.0) for n in range(3)]
    made(4, label=uggs, state="confirmed", priority=0.85, reasons=1)
    made(5, label=uggs)
    described = describe_type(uggs)
    assert [one["id"] for one in described["examples"]] == [clean[2].pk, clean[1].pk]
    assert described["distinction"] == uggs.distinction


def test_merged_types_cannot_be_chosen():
    ShoeType.objects.filter(slug="mules").update(merged_into=shoe_type("loafers"))
    slugs = [label["slug"] for label in list_labels()]
    assert "mules" not in slugs and "not-a-shoe" in slugs
    assert len(slugs) == ShoeType.objects.count() - 1


def test_page_and_facets_are_read_from_their_indexes():
    label = shoe_type("uggs")
    ShoeImage.objects.bulk_create(
        row(
            number,
            label=label,
            state="unreviewed" if number % 50 == 0 else "confirmed",
            priority=0.001 if number % 50 == 0 else 0.0,
        )
        for number in range(4000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    plan = Filter().images()[:60].explain()
    assert "image_queue_open" in plan and "TEMP B-TREE" not in plan
    with CaptureQueriesContext(connection) as captured:
        count_facets(Filter())
    walks = [each["sql"] for each in captured if "GROUP BY" in each["sql"]]
    assert len(walks) == 6, "most facets at once, three wide ones, the state, the work lists"
