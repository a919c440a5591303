"""The queue for programs: what the command prints and what the API answers."""

import json
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from curation.issues import findings, write
from curation.issues.new_finding import NewFinding
from curation.models import AssessRun, ShoeImage
from curation.queue.rows import rows
from tests import decisions
from tests.factories import row, shoe_type

pytestmark = pytest.mark.django_db
URL = "/api/v1/findings/"
ROOT = settings.BASE_DIR


def queue(number=6):
    """Images with one label issue each, the first the most certain."""
    label = shoe_type()
    images = ShoeImage.objects.bulk_create([row(n, label=label) for n in range(number)])
    run = AssessRun.objects.create()
    found = [
        NewFinding(image.pk, "label-issue", 1 - n / number, suggested="uggs")
        for n, image in enumerate(images)
    ]
    write.record(run, found)
    write.publish(run)
    findings.refresh(image.pk for image in images)
    return images


def printed(capsys, *arguments) -> list[dict]:
    call_command("findings", *arguments)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def shas(rows) -> list[str]:
    return [line["image"] for line in rows]


def test_a_line_has_all_fields_of_an_image(capsys):
    first, second, *_ = queue()
    write.add_finding(first, "left", score=0.5)
    ShoeImage.objects.filter(pk=first.pk).update(suggested="uggs")
    run = AssessRun.objects.create()
    write.record(
        run,
        [
            NewFinding(first.pk, "label-issue", 0.75, suggested="uggs"),
            NewFinding(first.pk, "exact-duplicate", 1.0, other=second.sha256),
        ],
    )
    write.publish(run)
    findings.refresh([first.pk])
    line = printed(capsys)[0]
    assert line == {
        "image": first.sha256,
        "given": "chelsea-boots",
        "suggested": "uggs",
        "score": 1.0,
        "reasons": ["exact-duplicate", "label-issue", "left"],
        "other": [second.sha256],
        "split": first.split,
        "state": "unreviewed",
    }


def test_lines_are_in_the_order_of_the_queue(capsys):
    images = queue()
    assert shas(printed(capsys)) == [image.sha256 for image in images]
    assert shas(printed(capsys, "--limit", "2")) == [image.sha256 for image in images[:2]]
    assert printed(capsys, "--limit", "0") == []


def test_the_proposal_is_given_where_there_is_no_label(capsys):
    image = row(1, proposed=shoe_type("mules"))
    image.save()
    write.add_finding(image, "blurred")
    (line,) = printed(capsys)
    assert (line["given"], line["suggested"], line["other"]) == ("mules", None, [])


def test_a_rejected_image_is_not_listed(capsys, member):
    images = queue(3)
    decisions.reject(ShoeImage.objects.filter(pk=images[0].pk), member("Curator"))
    assert shas(printed(capsys)) == [image.sha256 for image in images[1:]]


def test_reasons_filter_the_rows(capsys):
    images = queue(3)
    write.add_finding(images[1], "blurred")
    write.add_finding(images[2], "left")
    assert shas(printed(capsys, "--reason", "blurred")) == [images[1].sha256]
    both = printed(capsys, "--reason", "blurred", "--reason", "left")
    assert set(shas(both)) == {images[1].sha256, images[2].sha256}
    assert printed(capsys, "--reason", "tiny") == []


def test_an_unknown_reason_is_refused_with_the_known_ones():
    with pytest.raises(CommandError, match="no reason “nonsense”.*label-issue, loss, leakage"):
        call_command("findings", "--reason", "nonsense")
    with pytest.raises(CommandError, match="from 0 up"):
        call_command("findings", "--limit", "-1")


def test_many_images_are_read_in_parts_and_none_twice(django_assert_num_queries):
    images = queue(50)
    # Precision once; for each of three parts the current run, images and findings.
    with django_assert_num_queries(1 + 4 * 3):
        found = [line["image"] for _, line in rows(part=20)]
    assert found == [image.sha256 for image in images]


@pytest.mark.django_db(transaction=True)
def test_a_pipe_that_closes_ends_the_command_quietly(tmp_path):
    code = (
        "from curation.queue import rows\n"
        "rows.rows = lambda *query: ((None, {'image': str(n)}) for n in range(10**7))\n"
        "from django.core.management import call_command; call_command('findings')"
    )
    setup = "import django; django.setup()\n"
    command = subprocess.Popen(
        [sys.executable, "-c", setup + code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert command.stdout.readline() == b'{"image": "0"}\n'
    command.stdout.close()
    assert command.stderr.read() == b""
    assert command.wait(60) == 1


# --- API --------------------------------------------------------------------------------------


@pytest.fixture
def curator(client, member):
    client.force_login(member("Curator"))
    return client


def test_pages_follow_each_other_to_the_end(curator):
    images = queue(5)
    seen, after = [], ""
    while after is not None:
        page = curator.get(URL, {"limit": 2, **({"after": after} if after else {})})
        assert page.status_code == 200
        seen += shas(page.json()["results"])
        after = page.json()["next"]
    assert seen == [image.sha256 for image in images]


def test_a_page_goes_on_where_the_last_one_ended_whatever_was_decided_since(curator, member):
    images = queue(6)
    page = curator.get(URL, {"limit": 3}).json()
    decisions.reject(ShoeImage.objects.filter(pk=images[0].pk), member("Curator", name="ana"))
    decisions.reject(ShoeImage.objects.filter(pk=images[3].pk), member("Curator", name="bo"))
    rest = curator.get(URL, {"limit": 3, "after": page["next"]}).json()
    assert shas(rest["results"]) == [images[4].sha256, images[5].sha256]
    assert rest["next"] is None


@pytest.mark.parametrize("priority", [1.0, 1.009])
def test_a_page_goes_on_after_the_highest_priorities(curator, priority):
    images = queue(3)
    ShoeImage.objects.filter(pk=images[0].pk).update(priority=priority)
    page = curator.get(URL, {"limit": 1}).json()
    assert shas(page["results"]) == [images[0].sha256]
    rest = curator.get(URL, {"after": page["next"]}).json()
    assert shas(rest["results"]) == [image.sha256 for image in images[1:]]


def test_api_and_command_give_the_same_rows(curator, capsys):
    images = queue()
    write.add_finding(images[2], "blurred")
    assert curator.get(URL).json()["results"] == printed(capsys)
    chosen = curator.get(URL, {"reason": ["blurred", "left"]}).json()["results"]
    assert chosen == printed(capsys, "--reason", "blurred", "--reason", "left")


@pytest.mark.parametrize(
    "query, code",
    [
        ({"reason": "nonsense"}, "reason_unknown"),
        ({"after": "nonsense"}, "cursor_invalid"),
        ({"after": "nan_1"}, "cursor_invalid"),
        ({"after": "0.5_99999999999999999999"}, "cursor_invalid"),
        ({"limit": "0"}, "invalid"),
        ({"limit": "many"}, "invalid"),
        ({"limit": "1001"}, "invalid"),
    ],
)
def test_invalid_queries_are_problems_in_words(curator, query, code):
    response = curator.get(URL, query)
    assert (response.status_code, response.json()["code"]) == (400, code)
    assert response["Content-Type"] == "application/problem+json"
    if code == "reason_unknown":
        assert "label-issue" in response.json()["detail"]


def test_only_those_who_may_see_findings(client, member):
    assert client.get(URL).status_code == 401
    client.force_login(member(name="nobody"))
    response = client.get(URL)
    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")
    client.force_login(member("Trainer", name="tra"))
    assert client.get(URL).status_code == 200


def test_a_page_takes_the_same_queries_for_any_number_of_rows(curator, django_assert_num_queries):
    images = queue(40)
    for image in images[:20]:
        write.add_finding(image, "blurred")
    # Session, user, two for permissions; precision, current run, images, findings, merged types.
    for limit in (2, 30):
        with django_assert_num_queries(9):
            curator.get(URL, {"limit": limit})


def test_an_answer_matches_the_schema(curator):
    queue(1)
    schema = curator.get("/api/v1/schema/", HTTP_ACCEPT="application/vnd.oai.openapi+json").json()
    door = schema["paths"]["/api/v1/findings/"]["get"]
    assert {p["name"] for p in door["parameters"]} == {"reason", "limit", "after"}
    assert set(door["responses"]) == {"200", "400", "401", "403", "429"}
    shape = schema["components"]["schemas"]["FindingShape"]["properties"]
    (line,) = curator.get(URL).json()["results"]
    assert set(shape) == set(line)
