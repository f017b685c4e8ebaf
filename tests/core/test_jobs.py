"""Deferred work: in the same transaction or not at all, and run again when its worker dies."""

from __future__ import annotations

import uuid

import pytest
import sqlalchemy as sa

import app
from core import jobs
from core.house import House
from dialer import attempt

assert app.TICKS  # importing app joins every handler


def _jobs(house: House) -> list[sa.Row[tuple[str, str, str, int, dict[str, str]]]]:
    with house.transaction() as session:
        return list(
            session.execute(
                sa.text(
                    "SELECT task_name, queue_name, status::text, attempts, args FROM procrastinate_jobs ORDER BY id"
                )
            ).all()
        )


def _defer(house: House) -> uuid.UUID:
    subject = uuid.uuid4()
    with house.transaction() as session:
        jobs.defer(session, attempt.HANG_UP, attempt_id=subject)
    return subject


def test_a_job_is_there_with_its_ids_when_the_transaction_is(house: House) -> None:
    subject = _defer(house)
    assert _jobs(house) == [("hang_up", "escalation", "todo", 0, {"attempt_id": str(subject)})]


def test_a_transaction_rolled_back_leaves_no_job(house: House) -> None:
    with house.transaction() as session:
        jobs.defer(session, attempt.HANG_UP, attempt_id=uuid.uuid4())
        session.rollback()
    assert _jobs(house) == []


def test_every_declared_job_has_a_handler_and_every_handler_is_declared() -> None:
    assert jobs.handlers().keys() == jobs.JOBS.keys()


def test_a_job_is_declared_once_on_a_queue_there_is_and_handled_once() -> None:
    with pytest.raises(ValueError, match="no queue"):
        jobs.declare("a new job", "nowhere")
    with pytest.raises(ValueError, match="declared twice"):
        jobs.declare("hang_up", "escalation")
    with pytest.raises(ValueError, match="two handlers"):
        jobs.handles(attempt.HANG_UP)(print)
    assert "a new job" not in jobs.JOBS


def _picked_up(house: House, *, silent_s: float | None, attempts: int = 0) -> None:
    """The job there is, as a worker left it that was last heard of so long ago; None: the worker's row is gone."""
    with house.transaction() as session:
        worker = None
        if silent_s is not None:
            worker = session.scalar(
                sa.text(
                    "INSERT INTO procrastinate_workers (last_heartbeat) "
                    "VALUES (now() - make_interval(secs => :s)) RETURNING id"
                ),
                {"s": silent_s},
            )
        session.execute(
            sa.text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = :worker, attempts = :attempts"),
            {"worker": worker, "attempts": attempts},
        )


def _sweep(house: House) -> int:
    with house.transaction() as session:
        return jobs.sweep_stalled(session)


@pytest.mark.parametrize("silent_s", [None, jobs.STALLED_AFTER_S + 1, 3600.0])
def test_the_job_of_a_dead_worker_runs_again(house: House, silent_s: float | None) -> None:
    _defer(house)
    _picked_up(house, silent_s=silent_s)
    assert _sweep(house) == 1
    assert [(row.status, row.attempts) for row in _jobs(house)] == [("todo", 1)]
    assert _sweep(house) == 0
    with house.transaction() as session:
        fetched = session.execute(
            sa.text("SELECT task_name FROM procrastinate_fetch_job_v2(ARRAY['escalation']::varchar[], NULL)")
        ).one()
    assert fetched.task_name == "hang_up"


def test_the_job_of_a_living_worker_is_left_alone(house: House) -> None:
    _defer(house)
    _picked_up(house, silent_s=jobs.STALLED_AFTER_S - 2)
    assert _sweep(house) == 0
    assert _jobs(house)[0].status == "doing"


@pytest.mark.parametrize(("attempts", "status"), [(jobs.MAX_RUNS - 1, "todo"), (jobs.MAX_RUNS, "failed")])
def test_a_job_that_kills_its_workers_is_given_up_at_last(house: House, attempts: int, status: str) -> None:
    _defer(house)
    _picked_up(house, silent_s=60, attempts=attempts)
    assert _sweep(house) == 1
    assert _jobs(house)[0].status == status
    assert _sweep(house) == 0


def test_what_is_waiting_finished_or_failed_is_not_swept(house: House) -> None:
    for status in ("todo", "succeeded", "failed", "cancelled"):
        _defer(house)
        with house.transaction() as session:
            session.execute(
                sa.text(
                    "UPDATE procrastinate_jobs SET status = CAST(:status AS procrastinate_job_status) "
                    "WHERE id = (SELECT max(id) FROM procrastinate_jobs)"
                ),
                {"status": status},
            )
    assert _sweep(house) == 0
    assert [row.status for row in _jobs(house)] == ["todo", "succeeded", "failed", "cancelled"]


def test_two_sweeps_at_once_do_not_wait_for_each_other(house: House) -> None:
    _defer(house)
    _picked_up(house, silent_s=60)
    with house.transaction() as first, house.transaction() as second:
        assert jobs.sweep_stalled(first) == 1
        assert jobs.sweep_stalled(second) == 0
