"""Workers that die or freeze while they run tasks."""

from datetime import UTC, datetime, timedelta

from tests.faults.site import Site

RUN_AGAIN = timedelta(seconds=15)
TAKEN_OVER = [(1, "FAILED"), (2, "SUCCEEDED")]


async def test_fifty_tasks_of_a_killed_worker_run_again_within_15_seconds(site: Site) -> None:
    (worker,) = site.cluster.workers
    await site.vendor.slow(50, seconds=60)
    tasks = await site.partner.create_many(50)
    await site.vendor.wait_for(tasks, attempt=1, outcome="open")
    await site.cluster.start_worker()

    worker.kill()
    killed_at = datetime.now(UTC)

    records = await site.records.ended_well(tasks)
    assert [record.attempts for record in records] == [TAKEN_OVER] * 50
    assert max(record.started(2) for record in records) - killed_at < RUN_AGAIN


async def test_a_frozen_worker_changes_nothing_once_another_has_taken_over(site: Site) -> None:
    (frozen,) = site.cluster.workers
    await site.vendor.slow(20, seconds=5)
    tasks = await site.partner.create_many(20)
    await site.vendor.wait_for(tasks, attempt=1, outcome="open")
    frozen.freeze()
    await site.vendor.slow(20, seconds=4)
    await site.cluster.start_worker()
    # The first answers are complete, and will be read while the second ones are being given.
    await site.vendor.wait_for(tasks, attempt=1, outcome="completed")
    await site.vendor.wait_for(tasks, attempt=2, outcome="open")

    frozen.thaw()

    records = await site.records.ended_well(tasks)
    assert [record.attempts for record in records] == [TAKEN_OVER] * 20


async def test_an_answer_that_was_given_but_not_recorded_is_asked_for_again(site: Site) -> None:
    (worker,) = site.cluster.workers
    await site.vendor.slow(1, seconds=3)
    task = await site.partner.create("answered")
    await site.vendor.wait_for([task], attempt=1, outcome="open")
    await site.cluster.kill_postgres()
    await site.vendor.wait_for([task], attempt=1, outcome="completed")
    worker.kill()
    await site.cluster.start_postgres()
    await site.cluster.start_worker()

    (record,) = await site.records.ended_well([task])
    assert record.attempts == TAKEN_OVER
    assert (await site.vendor.calls())[task] == ["completed", "completed"]
