"""A model looks at every image, and what may be wrong is published at once."""

import io
import random

import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from PIL import Image, ImageDraw, ImageOps

from classifier import receivers
from classifier.assess import feature_store, request
from classifier.jobs import assessment, chunks
from classifier.models import ModelVersion, PretrainedEmbedder
from classifier.registry import promote, serving
from curation import ingest
from curation.decisions import purge
from curation.imports.run import import_images
from curation.issues import findings, write
from curation.issues.reasons import DUPLICATES
from curation.models import (
    AssessChunk,
    Assessment,
    AssessRun,
    CurrentAssessRun,
    Finding,
    Import,
    ShoeImage,
)
from curation.snapshots import freeze
from shoeproject import jobs
from shoeproject.jobs import State
from tests import decisions, tiny_model
from tests.factories import shoe_type

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_assess_files")]
# The model of these tests goes by the mean colour.
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
KINDS = {"chelsea-boots": RED, "brogues": BLUE, "running-shoes": GREEN}


@pytest.fixture
def version(tmp_path, settings):
    settings.JOB_WAIT_FOR_WORKER_SECONDS = 0
    settings.ASSESS_CHUNK = 8
    yield tiny_model.activate(tmp_path / "version")
    serving.forget()


def thing(size=(160, 160), *, colour=RED, seed=0) -> Image.Image:
    """Something of a colour; another seed, another pattern on it."""
    chance = random.Random(seed)
    width, height = size
    image = Image.new("RGB", size, colour)
    draw = ImageDraw.Draw(image)
    for _ in range(9):
        x, y = chance.uniform(0.05, 0.7), chance.uniform(0.05, 0.7)
        w, h = chance.uniform(0.08, 0.25), chance.uniform(0.08, 0.25)
        shade = tuple(round(part * chance.uniform(0.5, 0.9)) for part in colour)
        draw.rectangle([x * width, y * height, (x + w) * width, (y + h) * height], fill=shade)
    return image


def add(picture: Image.Image, label: str | None, **origin) -> ShoeImage:
    out = io.BytesIO()
    picture.save(out, "PNG")
    kind = shoe_type(label) if label else None
    return ingest.add_image(out.getvalue(), ingest.Origin(**origin), label=kind)[0]


def crowd(each: int = 10) -> list[ShoeImage]:
    """So many images of each kind, each of another shape."""
    return [
        add(thing(colour=colour, seed=100 * kind + n), label)
        for kind, (label, colour) in enumerate(KINDS.items())
        for n in range(each)
    ]


def assess(**asked) -> AssessRun:
    run = AssessRun.objects.create(**asked)
    jobs.perform(AssessRun, run.pk, assessment.run)
    run.refresh_from_db()
    assert run.state == State.DONE, run.error
    return run


def reasons(image) -> list[str]:
    return [finding.reason for finding in findings.standing([image.pk]).get(image.pk, [])]


def copies_said(image) -> set[str]:
    return set(reasons(image)) & set(DUPLICATES)


def test_command_finds_what_is_wrong(version, capsys):
    crowd()
    wrong = add(thing(colour=BLUE, seed=900), "chelsea-boots")
    copy_of = add(thing(colour=GREEN, seed=901), "running-shoes")
    copied = add(ImageOps.mirror(thing(colour=GREEN, seed=901)), "running-shoes")
    dark = add(Image.effect_noise((300, 40), 4).point(lambda v: v // 8).convert("RGB"), "brogues")

    call_command("assess", "--wait")

    said = capsys.readouterr().out
    assert "34 images assessed by mean colour" in said and "label-issue" in said
    (issue,) = [f for f in findings.standing([wrong.pk])[wrong.pk] if f.reason == "label-issue"]
    assert issue.suggested == "brogues" and issue.score > 0.9
    gone, kept = (copied, copy_of) if copies_said(copied) else (copy_of, copied)
    assert "near-duplicate" in copies_said(gone) and not copies_said(kept)
    assert findings.standing([gone.pk])[gone.pk][0].other == kept.sha256
    assert {"dark", "odd-shape", "tiny"} <= set(reasons(dark))
    wrong.refresh_from_db()
    assert wrong.suggested == "brogues" and wrong.priority > 0.5
    seen = Assessment.objects.get(image=wrong)
    assert seen.label_issue and seen.loss > 2 and seen.label_quality < 0.05
    assert seen.top[0][0] == "brogues" and 0 < seen.outlier < 1
    assert len(seen.quality) == 5


def test_every_image_is_judged_by_models_that_never_saw_it(version):
    # With its own group among what is learnt, a wrong label would excuse itself.
    crowd(6)
    twins = [
        add(thing(colour=BLUE, seed=seed), "chelsea-boots", group="shop:1") for seed in (900, 901)
    ]
    unlabelled = add(thing(colour=GREEN, seed=902), None)
    assess()
    for twin in twins:
        assert "label-issue" in reasons(twin)
    assert Assessment.objects.count() == ShoeImage.objects.count()
    unlabelled.refresh_from_db()
    assert unlabelled.suggested == "running-shoes"
    assert Assessment.objects.get(image=unlabelled).loss is None


def test_copy_across_splits_is_leakage_and_the_test_copy_stays(version):
    picture = thing(colour=RED, seed=950)
    images = [add(picture, "chelsea-boots", group="shop:a")]
    images.append(add(ImageOps.mirror(picture), "chelsea-boots", group="shop:a mirror"))
    ShoeImage.objects.filter(pk=images[0].pk).update(split="train", state="confirmed")
    ShoeImage.objects.filter(pk=images[1].pk).update(split="test")
    crowd(3)
    assess()
    assert copies_said(images[0]) == {"leakage", "near-duplicate"}
    assert not copies_said(images[1])


def test_copy_to_keep_is_confirmed_else_larger_else_earlier(version):
    small = thing((160, 160), seed=960)
    images = [add(small, "chelsea-boots"), add(small.resize((320, 320)), "chelsea-boots")]
    images.append(add(ImageOps.mirror(small), "chelsea-boots"))
    ShoeImage.objects.update(split="train")
    assess()
    assert [bool(copies_said(image)) for image in images] == [True, False, True]
    decisions.confirm([images[2]], None)
    assess()
    assert [bool(copies_said(image)) for image in images] == [True, True, False]


def test_same_picture_under_other_bytes_is_an_exact_duplicate(version):
    picture = thing(colour=RED, seed=965)
    first = add(picture, "chelsea-boots")
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    second, new = ingest.add_image(out.getvalue(), ingest.Origin(), label=first.label)
    assert new and second.stored_sha256 == first.stored_sha256
    ShoeImage.objects.update(split="train")
    assess()
    assert copies_said(second) == {"exact-duplicate"} and not copies_said(first)


def test_run_taken_up_again_does_not_look_twice(version, monkeypatch):
    crowd(10)
    run = AssessRun.objects.create()
    seen, real = [], chunks._compute_one

    def dies_in_the_third_chunk(digest, embedder):
        if len(seen) == 20:
            raise jobs.WorkerDied("the lights went out")
        seen.append(digest)
        return real(digest, embedder)

    monkeypatch.setattr(chunks, "_compute_one", dies_in_the_third_chunk)
    jobs.perform(AssessRun, run.pk, assessment.run)
    assert AssessRun.objects.get().state == State.QUEUED
    assert AssessChunk.objects.filter(done_at__isnull=False).count() == 2
    # Its lease runs out as that of any dead worker.
    AssessChunk.objects.filter(done_at=None).update(lease_until=None)
    monkeypatch.setattr(chunks, "_compute_one", lambda d, e: seen.append(d) or real(d, e))
    done_before = set(seen[:16])
    jobs.perform(AssessRun, run.pk, assessment.run)
    assert AssessRun.objects.get().state == State.DONE
    assert not done_before & set(seen[20:])
    assert Assessment.objects.count() == 30


def test_helpers_share_the_looking_and_go_home(version):
    crowd(4)
    run = AssessRun.objects.create()
    claim = AssessRun.claim(run.pk)
    embedder = assessment.load_embedder(run, claim)
    run.refresh_from_db()
    planned = feature_store.plan(run)
    chunks.create(run, planned.chunks)
    chunks.help_with(run.pk, assessment.load_embedder)
    assert chunks.count_done(run) == planned.chunks == 2
    chunks.work(run, planned, embedder, lambda: pytest.fail("nothing is left to look at"))
    run.cancel()
    AssessChunk.objects.update(done_at=None)
    chunks.help_with(run.pk, assessment.load_embedder)
    assert chunks.count_done(run) == 0


def test_second_assessment_looks_only_at_what_is_new(version):
    crowd(4)
    assert assess().report["looked_at"] == 12
    new = add(thing(colour=BLUE, seed=970), "brogues")
    second = assess()
    assert second.report["looked_at"] == 1
    assert Assessment.objects.filter(run=second).count() == 13
    assert Assessment.objects.get(image=new).suggested == "brogues"
    first = AssessRun.objects.exclude(pk=second.pk).get()
    assert storages["models"].listdir(f"assess/{first.pk}")[1] == []


def test_nothing_counts_before_everything_does(version, monkeypatch):
    crowd(4)
    add(thing(colour=BLUE, seed=980), "chelsea-boots")
    assess()
    before = list(findings.unanswered().values_list("pk", "reason"))
    wrong = add(thing(colour=GREEN, seed=981), "brogues")
    monkeypatch.setattr(write, "publish", lambda run: 1 / 0)
    run = AssessRun.objects.create()
    jobs.perform(AssessRun, run.pk, assessment.run)
    assert AssessRun.objects.get(pk=run.pk).state == State.FAILED
    assert Finding.objects.filter(image=wrong).exists()
    assert reasons(wrong) == []
    assert list(findings.unanswered().values_list("pk", "reason")) == before
    monkeypatch.undo()
    third = assess()
    assert CurrentAssessRun.objects.get().run == third
    assert "label-issue" in reasons(wrong)


def test_kept_on_purpose_stays_silent_and_another_suggestion_speaks(version):
    crowd(6)
    odd = add(thing(colour=BLUE, seed=990), "chelsea-boots")
    assess()
    assert "label-issue" in reasons(odd)
    decisions.confirm([odd], None)
    assess()
    assert reasons(odd) == []
    ShoeImage.objects.filter(pk=odd.pk).update(label=shoe_type("running-shoes"))
    Finding.objects.filter(image=odd).update(suggested="chelsea-boots")
    assess()
    assert "label-issue" in reasons(odd)


def test_answered_findings_are_gone_with_their_cause(version):
    crowd(6)
    odd = add(thing(colour=BLUE, seed=991), "chelsea-boots")
    assess()
    decisions.relabel([odd], shoe_type("brogues"), None)
    assess()
    assert reasons(odd) == []
    odd.refresh_from_db()
    assert odd.priority == 0


def test_picture_that_cannot_be_read_holds_nobody_up(version):
    lost, *_ = crowd(4)
    storages["media"].delete(lost.file_name)
    run = assess()
    assert run.report["unreadable"] == 1
    assert Assessment.objects.count() == 11


def test_few_labels_are_judged_by_the_model_alone(version):
    wrong = add(thing(colour=BLUE, seed=1), "chelsea-boots")
    unlabelled = add(thing(colour=RED, seed=2), None)
    assess()
    assert "label-issue" in reasons(wrong)
    unlabelled.refresh_from_db()
    assert unlabelled.suggested == "chelsea-boots"


def test_what_the_model_was_trained_on_is_not_judged_by_it(version):
    crowd(1)
    learnt = add(thing(colour=BLUE, seed=3), "chelsea-boots", group="shop:learnt")
    ShoeImage.objects.filter(pk=learnt.pk).update(split="train")
    frozen = freeze.freeze("seen", freeze.Filter())
    ModelVersion.objects.filter(pk=version.pk).update(snapshot=frozen)
    assess()
    assert Assessment.objects.get(image=learnt).loss is None


def test_no_images_at_all(version):
    run = assess()
    assert run.images == 0 and run.report["reasons"] == {}


def test_pretrained_weights_are_waited_for_and_their_failure_is_told():
    run = AssessRun.objects.create(embedding=AssessRun.Embedding.PRETRAINED)
    jobs.perform(AssessRun, run.pk, assessment.run)
    run.refresh_from_db()
    assert run.state == State.QUEUED and run.not_before
    assert "waiting for the pretrained weights" in run.progress_what
    asked = PretrainedEmbedder.objects.get()
    assert asked.state == State.QUEUED
    PretrainedEmbedder.claim(asked.pk).fail("There are no weights.")
    AssessRun.objects.update(not_before=None)
    jobs.perform(AssessRun, run.pk, assessment.run)
    run.refresh_from_db()
    assert run.state == State.FAILED and "There are no weights." in run.error


def test_without_a_model_it_says_what_to_do(settings):
    settings.JOB_WAIT_FOR_WORKER_SECONDS = 0
    with pytest.raises(CommandError, match="Promote one, or assess with pretrained weights"):
        call_command("assess", "--wait")


def test_cancelled_run_stops(version):
    crowd(4)
    run = AssessRun.objects.create()
    claim = AssessRun.claim(run.pk)
    AssessRun.objects.get().cancel()
    with pytest.raises(jobs.ClaimLost):
        assessment.run(claim)
    assert not CurrentAssessRun.objects.exists()


def test_later_run_waits_for_the_earlier(version):
    crowd(2)
    first, second = AssessRun.objects.create(), AssessRun.objects.create()
    claim = AssessRun.claim(first.pk)
    jobs.perform(AssessRun, second.pk, assessment.run)
    second.refresh_from_db()
    assert second.state == State.QUEUED and second.not_before
    assert "the assessment before it" in second.progress_what
    assessment.run(claim)


def test_purged_picture_is_blanked_in_what_was_seen(version, member):
    first, *_ = crowd(4)
    run = assess()
    assert feature_store.merge(run.pk, feature_store.plan(run)).whole[0].any()
    purge.purge(ShoeImage.objects.filter(pk=first.pk), member(), "asked to", "one image")
    feature_store.blank([first.stored_sha256])
    arrays = feature_store.merge(run.pk, feature_store.plan(run))
    assert not arrays.whole[0].any() and not arrays.embedding[0].any() and not arrays.seen[0]
    assert arrays.whole[1].any()


def test_assessed_by_itself_after_what_changes_things(
    version, settings, tmp_path, django_capture_on_commit_callbacks
):
    settings.ASSESS_AFTER = ["import", "promotion"]
    folder = tmp_path / "in" / "brogues"
    folder.mkdir(parents=True)
    thing(colour=BLUE, seed=5).save(folder / "a.png")
    for expected in (1, 1):  # the second import adds nothing
        row = Import.objects.create(path=str(folder.parent))
        jobs.perform(Import, row.pk, import_images)
        with django_capture_on_commit_callbacks(execute=True):
            row.refresh_from_db()
            receivers.assess_new_images(Import, row)
        assert AssessRun.objects.count() == expected
    AssessRun.objects.update(state=State.DONE)
    other = tiny_model.activate(tmp_path / "other", name="another")
    ModelVersion.objects.filter(pk=other.pk).update(active=False)
    ModelVersion.objects.filter(pk=version.pk).update(active=True)
    with django_capture_on_commit_callbacks(execute=True):
        promote.promote(other, force=True)
    assert AssessRun.objects.filter(state=State.QUEUED).count() == 1
    settings.ASSESS_AFTER = []
    assert request.after(request.PROMOTION) is None


def test_asked_twice_it_is_queued_once(version):
    assert request.ask() == request.ask()
    assert request.ask(AssessRun.Embedding.PRETRAINED) != request.ask()


def test_run_paused_while_a_later_one_was_published_does_not_publish_after_it(version):
    crowd(2)
    early = AssessRun.objects.create()
    late = assess()
    jobs.perform(AssessRun, early.pk, assessment.run)
    early.refresh_from_db()
    assert early.state == State.FAILED and "A later assessment counts" in early.error
    assert CurrentAssessRun.objects.get().run == late
