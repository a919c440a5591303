"""Jobs: claims, fencing tokens, transitions, and what happens after a worker died."""

from datetime import timedelta

import pytest
from celery import beat
from django.utils import timezone

from curation.models import Import
from shoeproject import jobs
from shoeproject.celery import app
from shoeproject.errors import ProjectError
from shoeproject.jobs import (
    ClaimLost,
    Postponed,
    State,
    TransitionRefused,
    WorkerStopping,
    commands,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def job():
    return Import.objects.create(path="/nowhere")


def expire(job):
    Import.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_running_job_is_not_claimed_again(job):
    assert Import.claim(job.pk) is not None
    assert Import.claim(job.pk) is None


def test_a_missing_row_is_not_claimed():
    assert Import.claim(12345) is None


def test_an_expired_lease_is_taken_over_and_the_old_worker_is_ignored(job):
    old = Import.claim(job.pk)
    expire(job)
    new = Import.claim(job.pk)
    assert new.attempt == old.attempt + 1
    with pytest.raises(ClaimLost):
        old.tick(5, force=True)
    with pytest.raises(ClaimLost), old.transaction():
        pass
    with pytest.raises(ClaimLost):
        old.finish()
    new.tick(7, force=True)
    job.refresh_from_db()
    assert job.progress_done == 7


def test_a_lease_that_has_not_expired_is_not_taken_over(job):
    claim = Import.claim(job.pk)
    claim.tick(1, force=True)
    assert Import.claim(job.pk) is None


def test_the_third_death_without_progress_fails_the_job(job):
    for _ in range(3):
        assert Import.claim(job.pk) is not None
        expire(job)
    assert Import.claim(job.pk) is None
    job.refresh_from_db()
    assert job.state == State.FAILED
    assert "3 workers" in job.error


def test_progress_resets_the_count_of_deaths(job):
    for done in range(1, 6):
        claim = Import.claim(job.pk)
        claim.tick(done, force=True)
        expire(job)
    assert Import.claim(job.pk) is not None


def test_progress_made_before_does_not_reset_the_count_of_deaths(job):
    Import.claim(job.pk).tick(10, force=True)
    expire(job)
    for _ in range(2):
        Import.claim(job.pk).tick(4, force=True)
        expire(job)
    assert Import.claim(job.pk) is None


def test_a_job_whose_process_died_is_tried_again_and_then_fails(job):
    for _ in range(3):
        jobs.perform(Import, job.pk, raiser(jobs.WorkerDied("signal SIGKILL")))
    job.refresh_from_db()
    assert job.state == State.FAILED
    assert "SIGKILL" in job.error


@pytest.mark.parametrize("action", ["pause", "cancel"])
def test_a_running_job_notices_that_it_was_paused_or_cancelled(job, action):
    claim = Import.claim(job.pk)
    job.refresh_from_db()
    getattr(job, action)()
    with pytest.raises(ClaimLost):
        claim.tick(force=True)


def test_resumed_job_can_be_claimed_and_the_paused_worker_stays_out(job):
    old = Import.claim(job.pk)
    job.refresh_from_db()
    job.pause()
    job.resume()
    assert Import.claim(job.pk).attempt == old.attempt + 1
    with pytest.raises(ClaimLost):
        old.tick(force=True)


@pytest.mark.parametrize("was", State.values)
@pytest.mark.parametrize("to", State.values)
def test_only_listed_transitions_are_made(was, to):
    job = Import.objects.create(path="/nowhere", state=was)
    if State(to) in jobs.TRANSITIONS[State(was)]:
        job.change_state(State(to))
        assert job.state == to
    else:
        with pytest.raises(TransitionRefused) as refused:
            job.change_state(State(to))
        assert was in refused.value.detail
        assert to in refused.value.detail


def test_a_running_job_is_not_resumed(job):
    Import.claim(job.pk)
    job.refresh_from_db()
    with pytest.raises(TransitionRefused):
        job.resume()


def test_a_transition_is_refused_if_the_row_has_changed_meanwhile(job):
    stale = Import.objects.get(pk=job.pk)
    job.cancel()
    with pytest.raises(TransitionRefused):
        stale.pause()
    assert stale.state == State.CANCELLED


def raiser(error):
    def work(claim):
        raise error

    return work


class Foreseen(ProjectError):
    detail = "The folder is empty."


def test_failure_and_success_are_written_to_the_row(job):
    jobs.perform(Import, job.pk, raiser(Foreseen()))
    job.refresh_from_db()
    assert (job.state, job.error) == (State.FAILED, "The folder is empty.")
    job.resume()
    jobs.perform(Import, job.pk, raiser(ZeroDivisionError("oh")))
    job.refresh_from_db()
    assert job.state == State.FAILED
    assert "ZeroDivisionError" in job.error
    job.resume()
    jobs.perform(Import, job.pk, lambda claim: claim.tick(1, 1, force=True))
    job.refresh_from_db()
    assert (job.state, job.error) == (State.DONE, "")
    assert job.finished_at


def test_a_stopping_worker_queues_the_job_again(job):
    def work(claim):
        jobs.stopping.set()
        claim.tick(force=True)

    jobs.perform(Import, job.pk, work)
    job.refresh_from_db()
    assert job.state == State.QUEUED
    with pytest.raises(WorkerStopping):
        Import.claim(job.pk).tick(force=True)


def test_a_postponed_job_frees_its_worker_and_waits(job):
    until = timezone.now() + timedelta(minutes=5)
    jobs.perform(Import, job.pk, raiser(Postponed(until, "waiting for the search engine")))
    job.refresh_from_db()
    assert (job.state, job.not_before) == (State.QUEUED, until)
    assert job.progress_what == "waiting for the search engine"
    assert Import.claim(job.pk) is None
    assert jobs.ring_due(waited_seconds=0) == 0
    Import.objects.update(not_before=timezone.now())
    assert jobs.ring_due(waited_seconds=0) == 1
    assert Import.claim(job.pk) is not None


def test_ring_due_rings_for_waiting_and_orphaned_jobs(job):
    assert jobs.ring_due() == 0, "its own message is still on its way"
    assert jobs.ring_due(waited_seconds=0) == 1
    Import.claim(job.pk)
    assert jobs.ring_due(waited_seconds=0) == 0
    expire(job)
    assert jobs.ring_due() == 1


def test_a_dead_broker_leaves_the_row_queued(job, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        job.ring()
    job.refresh_from_db()
    assert job.state == State.QUEUED


def test_job_done_is_sent_after_the_commit(job, django_capture_on_commit_callbacks):
    received = []
    jobs.job_done.connect(lambda sender, job, **_: received.append((sender, job.pk)), weak=False)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            jobs.perform(Import, job.pk, lambda claim: None)
    finally:
        jobs.job_done.receivers.clear()
    assert received == [(Import, job.pk)]


def test_a_command_that_waits_for_a_postponed_job_polls_it(job, settings, monkeypatch):
    settings.JOB_WAIT_FOR_WORKER_SECONDS = 0
    attempts, naps = [], []

    def work(claim):
        attempts.append(claim.attempt)
        if len(attempts) == 1:
            raise Postponed(timezone.now() + timedelta(seconds=60), "waiting for the tide")

    def nap(seconds):
        naps.append(seconds)
        assert len(attempts) == 1
        if len(naps) == 3:
            Import.objects.update(not_before=None)

    monkeypatch.setattr(commands.time, "sleep", nap)
    assert commands.wait_for(job, work).state == State.DONE
    assert len(attempts) == 2 and len(naps) == 3


def test_the_scheduler_keeps_no_file_that_a_kill_could_damage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where the default scheduler would write it
    service = beat.Service(app, scheduler_cls=app.conf.beat_scheduler)
    assert {"ring", "analyze"} <= set(service.scheduler.schedule)
    service.sync()
    assert not list(tmp_path.iterdir())
