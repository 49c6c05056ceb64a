"""When an idle worker waits for more jobs; the order of jobs is tested with the queue."""

from __future__ import annotations

from selva_daemon.jobs.scheduling import BatchWindow


def test_a_single_job_never_waits_and_one_of_several_waits_for_the_next() -> None:
    window = BatchWindow(gap_s=1.0)
    window.record_arrival("a", 10.0)
    assert window.waits_until_s("a", 10.0) is None
    window.record_arrival("a", 10.5)
    assert window.waits_until_s("a", 10.6) == 11.5
    assert window.waits_until_s("another", 10.6) is None
    assert window.waits_until_s("a", 11.5) is None
    window.record_arrival("a", 12.0)  # late: this is a single job again
    assert window.waits_until_s("a", 12.0) is None
