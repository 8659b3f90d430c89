"""Decisions of the supervisor, on a clock that only the test moves: no process, no signal."""

import logging

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from bascule.supervisor.decide import decide
from bascule.supervisor.table import (
    DrainWorker,
    Exit,
    ForkServerEnded,
    KillWorker,
    Phase,
    Policy,
    ReloadRequested,
    ScaleRequested,
    ShowStacks,
    StartWorker,
    StopRequested,
    StopWorker,
    SupervisorReplaced,
    SupervisorStarted,
    WorkerEnded,
    WorkerReady,
    WorkersChecked,
    WorkerStatus,
    WorkerTable,
    WriteLog,
)

POLICY = Policy()


class World:
    """A supervisor whose workers do what the test says.

    actions: all that was decided, the lines for the log left out, which are in `said`.
    """

    def __init__(self, target=2, **policy):
        self.policy = Policy(**policy)
        self.now = 100.0
        self.table = WorkerTable(target)
        self.actions = []
        self.said = []
        self.happen(SupervisorStarted())

    def happen(self, event):
        self.table, actions = decide(self.table, event, self.now, self.policy)
        new = [action for action in actions if not isinstance(action, WriteLog)]
        self.said += [action for action in actions if isinstance(action, WriteLog)]
        self.actions += new
        return new

    def look(self, *seen, after=0.25):
        self.now += after
        return self.happen(WorkersChecked(seen))

    def boot(self):
        """All starting workers become ready."""
        for serial in self.of(Phase.STARTING):
            self.happen(WorkerReady(serial))

    def of(self, phase):
        return [row.serial for row in self.table.rows if row.phase is phase]

    def end(self, serial, how="ended with exit code 1", code=1):
        return self.happen(WorkerEnded(serial, how, code))

    def log(self, level=logging.DEBUG):
        return "\n".join(line.text for line in self.said if line.level >= level)


@pytest.fixture
def world():
    world = World()
    world.boot()
    world.actions.clear()
    return world


# The beginning.


def test_as_many_are_started_as_are_wanted():
    assert World(3).actions == [StartWorker(1, 1), StartWorker(2, 1), StartWorker(3, 1)]


def test_a_worker_counts_when_it_is_ready():
    world = World(2)
    assert world.table.ready == 0
    world.happen(WorkerReady(1))
    assert world.table.ready == 1


@pytest.mark.parametrize(("code", "expected"), [(2, 2), (3, 3), (1, 3), (None, 3), (0, 3)])
def test_code_that_has_never_booted_ends_the_supervisor_with_its_exit_code(code, expected):
    world = World(2)
    assert world.end(1, "ended", code) == [DrainWorker(2)]
    assert world.end(2, "was ended by SIGTERM", None) == [Exit(expected)]
    assert "worker 1 ended before it was ready" in world.log(logging.CRITICAL)


def test_a_slow_start_is_looked_into_once():
    world = World(1)
    assert world.look(WorkerStatus(1), after=29) == []
    assert world.look(WorkerStatus(1), after=1) == [ShowStacks(1)]
    assert world.look(WorkerStatus(1), after=60) == []


# Death.


def test_a_dead_worker_is_replaced_at_once(world):
    world.now += 60
    assert world.end(1, "was ended by SIGKILL", None) == [StartWorker(3, 1)]
    assert "worker 1 was ended by SIGKILL; it is replaced" in world.log(logging.ERROR)


def test_a_crash_loop_backs_off_and_says_so():
    world = World(1)
    world.boot()
    pauses = []
    for _ in range(9):
        world.end(world.table.rows[-1].serial)
        began = world.now
        while not world.table.rows:
            world.look(after=0.25)
        pauses.append(world.now - began)
        world.boot()
    assert pauses == [0, 0.5, 1, 2, 4, 8, 16, 30, 30]
    assert "9 workers in a row have ended soon after their start; the next start is in 30 s" in (
        world.log(logging.ERROR)
    )


def test_workers_whose_fork_server_has_ended_are_replaced_while_they_drain(world):
    world.now += 60
    assert world.happen(ForkServerEnded((1, 2), "the fork server ended")) == [
        StartWorker(3, 1),
        StartWorker(4, 1),
    ]
    assert world.of(Phase.LEAVING) == [1, 2]
    assert "the fork server ended; its 2 workers must be replaced" in world.log(logging.ERROR)
    world.boot()
    assert world.end(1) == []
    assert world.look(after=POLICY.drain_within) == [KillWorker(2)]


def test_a_fork_server_that_ends_again_and_again_is_one_failure_each_time(world):
    assert world.happen(ForkServerEnded((1, 2), "the fork server ended")) == [
        StartWorker(3, 1),
        StartWorker(4, 1),
    ]
    world.boot()
    assert world.happen(ForkServerEnded((3, 4), "the fork server ended")) == []
    assert world.table.failures == 2
    assert world.look(after=0.5) == [StartWorker(5, 1), StartWorker(6, 1)]


def test_a_fork_server_that_has_never_had_a_ready_worker_ends_the_supervisor():
    world = World(2)
    assert world.happen(ForkServerEnded((1, 2), "the fork server ended")) == []
    assert [world.end(1), world.end(2)] == [[], [Exit(3)]]
    assert "the fork server ended before one of its workers" in world.log(logging.CRITICAL)


def test_a_fork_server_of_new_code_that_ends_too_soon_ends_the_reload(world):
    assert world.happen(ReloadRequested()) == [StartWorker(3, 2)]
    assert world.happen(ForkServerEnded((3,), "the fork server ended")) == []
    assert world.table.generation == 1
    assert world.of(Phase.READY) == [1, 2]
    assert "the old code keeps serving in 2 workers" in world.log(logging.ERROR)


def test_a_fork_server_of_workers_that_leave_is_not_missed(world):
    world.happen(StopRequested())
    said = len(world.said)
    assert world.happen(ForkServerEnded((1, 2), "the fork server ended")) == []
    assert len(world.said) == said


def test_one_that_has_served_for_a_while_ends_the_row_of_failures():
    world = World(1)
    world.boot()
    for _ in range(4):
        world.end(world.table.rows[-1].serial)
        world.look(after=60)
        world.boot()
    world.look(WorkerStatus(world.table.last_serial, 0.1), after=POLICY.steady_after)
    assert world.table.failures == 0
    assert world.end(world.table.last_serial) == [StartWorker(world.table.last_serial, 1)]


def test_one_that_does_not_boot_any_more_is_tried_again_while_the_other_serves(world):
    world.now += 60
    world.end(1)
    assert world.end(3, "ended with exit code 3", 3) == []
    assert world.look(after=0.25) == []
    assert world.look(after=0.25) == [StartWorker(4, 1)]
    assert world.of(Phase.READY) == [2]


# Reload.


def test_in_a_reload_each_new_one_is_ready_before_an_old_one_drains(world):
    assert world.happen(ReloadRequested()) == [StartWorker(3, 2)]
    assert world.look(after=5) == []
    assert world.happen(WorkerReady(3)) == [DrainWorker(1), StartWorker(4, 2)]
    assert world.of(Phase.READY) == [2, 3]
    assert world.happen(WorkerReady(4)) == [DrainWorker(2)]
    assert world.of(Phase.READY) == [3, 4]
    world.end(1, "ended with exit code 0", 0)
    world.end(2, "ended with exit code 0", 0)
    assert [row.generation for row in world.table.rows] == [2, 2]


def test_with_many_workers_a_quarter_is_replaced_at_a_time():
    world = World(8)
    world.boot()
    world.actions.clear()
    assert world.happen(ReloadRequested()) == [StartWorker(9, 2), StartWorker(10, 2)]


def test_new_code_that_does_not_boot_leaves_the_old_workers(world):
    world.happen(ReloadRequested())
    assert world.end(3, "ended with exit code 3:\nSyntaxError", 3) == []
    assert world.look(after=60) == []
    assert world.of(Phase.READY) == [1, 2]
    assert "reload given up: worker 3 ended with exit code 3:\nSyntaxError before" in world.log(
        logging.ERROR
    )
    assert "the old code keeps serving in 2 workers" in world.log(logging.ERROR)


def test_behind_a_reload_that_was_given_up_another_works(world):
    world.happen(ReloadRequested())
    world.end(3, "ended with exit code 3", 3)
    assert world.happen(ReloadRequested()) == [StartWorker(4, 2)]
    world.happen(WorkerReady(4))
    world.boot()
    assert world.of(Phase.READY) == [4, 5]


def test_a_reload_during_a_reload_begins_again(world):
    world.happen(ReloadRequested())
    assert world.happen(ReloadRequested()) == [DrainWorker(3), StartWorker(4, 3)]
    while world.of(Phase.STARTING):
        world.boot()
    assert {row.generation for row in world.table.rows if row.phase is Phase.READY} == {3}


# Scale.


def test_one_more_and_one_fewer(world):
    assert world.happen(ScaleRequested(1)) == [StartWorker(3, 1)]
    world.boot()
    assert world.happen(ScaleRequested(-1)) == [DrainWorker(1)]
    assert world.happen(ScaleRequested(-5)) == [DrainWorker(2)]
    assert world.of(Phase.READY) == [3]
    assert world.table.target == 1


def test_there_are_never_more_than_the_settings_allow(world):
    world.happen(ScaleRequested(10**6))
    assert world.table.target == POLICY.most_workers
    assert world.happen(ScaleRequested(1)) == []


def test_one_fewer_while_one_starts(world):
    world.happen(ScaleRequested(1))
    assert world.happen(ScaleRequested(-1)) == [DrainWorker(3)]
    assert world.of(Phase.READY) == [1, 2]


def test_no_more_than_there_may_be(world):
    assert len(world.happen(ScaleRequested(10**9))) == POLICY.most_workers - 2
    assert world.table.target == POLICY.most_workers
    world.boot()
    assert world.happen(ScaleRequested(1)) == []


# Hung workers.


def test_a_hung_worker_is_shown_replaced_and_killed(world):
    world.now += 60
    assert world.look(WorkerStatus(1, 29.9), WorkerStatus(2, 0.1)) == []
    assert world.look(WorkerStatus(1, 30.1), WorkerStatus(2, 0.1)) == [
        ShowStacks(1),
        StartWorker(3, 1),
    ]
    assert world.look(WorkerStatus(1, 30.4), WorkerStatus(2, 0.1)) == []
    assert world.look(WorkerStatus(1, 32.4), WorkerStatus(2, 0.1), after=2) == [KillWorker(1)]
    assert world.end(1, "was ended by SIGKILL", None) == []
    assert "worker 1 hangs: its event loop has not turned for 30 s" in world.log(logging.CRITICAL)


def test_a_supervisor_that_was_stopped_itself_does_not_judge(world):
    assert world.look(WorkerStatus(1, 600), WorkerStatus(2, 600), after=600) == []
    assert world.look(WorkerStatus(1, 0.1), WorkerStatus(2, 0.1)) == []


def test_silence_may_be_allowed():
    world = World(1, hung_after=0.0)
    world.boot()
    assert world.look(WorkerStatus(1, 3600.0)) == []


# Recycling.


def test_who_has_served_enough_is_replaced_and_then_drains():
    world = World(2, max_requests=1000)
    world.boot()
    world.actions.clear()
    assert world.look(WorkerStatus(1, 0.1, requests=999), WorkerStatus(2, 0.1, requests=1000)) == [
        StartWorker(3, 1)
    ]
    assert world.happen(WorkerReady(3)) == [DrainWorker(2)]
    assert "worker 2 is to be replaced: it has served 1000 requests" in world.log()


def test_two_are_never_recycled_at_once():
    world = World(2, max_requests=10)
    world.boot()
    world.actions.clear()
    assert world.look(WorkerStatus(1, requests=10), WorkerStatus(2, requests=10)) == [
        StartWorker(3, 1)
    ]
    assert world.happen(WorkerReady(3)) == [DrainWorker(1)]
    assert world.look(WorkerStatus(2, requests=12), after=5) == []
    assert world.end(1, "ended with exit code 0", 0) == [StartWorker(4, 1)]
    assert world.happen(WorkerReady(4)) == [DrainWorker(2)]


def test_jitter_spreads_the_limits():
    world = World(8, max_requests=1000, requests_jitter=500, max_age=100.0)
    limits = [row.max_requests for row in world.table.rows]
    ages = [row.max_age for row in world.table.rows]
    assert len(set(limits)) == 8
    assert min(limits) >= 1000
    assert max(limits) <= 1500
    assert max(limits) - min(limits) > 300
    assert len(set(ages)) == 8
    assert min(ages) >= 100
    assert max(ages) <= 110


@pytest.mark.parametrize(
    ("policy", "seen", "why"),
    [
        ({"max_age": 1.0}, {}, "has served for 2 s"),
        ({"max_rss": 2**20}, {"rss": 3 * 2**20}, "takes 3 MiB of memory"),
        ({}, {"stuck": 1}, "has 1 call that cannot be ended"),
    ],
)
def test_age_memory_and_calls_that_do_not_end_are_reasons_too(policy, seen, why):
    world = World(1, **policy)
    world.boot()
    world.actions.clear()
    assert world.look(WorkerStatus(1, 0.1, **seen), after=2) == [StartWorker(2, 1)]
    assert why in world.log()


# The end.


def test_a_stop_drains_and_ends_with_the_last(world):
    assert world.happen(StopRequested()) == [DrainWorker(1), DrainWorker(2)]
    assert world.end(1, "ended with exit code 0", 0) == []
    assert world.end(2, "ended with exit code 0", 0) == [Exit(0)]


def test_a_stop_may_wait_for_load_balancers():
    world = World(1, shutdown_delay=5.0)
    world.boot()
    world.actions.clear()
    assert world.happen(StopRequested()) == []
    assert world.look(WorkerStatus(1, 0.1), after=4.9) == []
    assert world.look(WorkerStatus(1, 0.1), after=0.1) == [DrainWorker(1)]


def test_who_is_replaced_drains_with_no_time_for_load_balancers():
    world = World(1, shutdown_delay=5.0)
    world.boot()
    world.actions.clear()
    assert world.happen(SupervisorReplaced()) == [DrainWorker(1)]
    assert world.table.stopping


def test_who_is_replaced_while_it_stops_is_in_no_hurry():
    world = World(1, shutdown_delay=5.0)
    world.boot()
    world.happen(StopRequested())
    assert world.happen(SupervisorReplaced()) == [DrainWorker(1)]
    assert world.happen(SupervisorReplaced()) == []
    assert world.end(1, "ended with exit code 0", 0) == [Exit(0)]


def test_the_second_time_it_is_at_once(world):
    world.happen(StopRequested())
    assert world.happen(StopRequested()) == [StopWorker(1), StopWorker(2)]
    assert world.look(after=2.0) == [KillWorker(1), KillWorker(2)]
    world.end(1, "was ended by SIGKILL", None)
    assert world.end(2, "was ended by SIGKILL", None) == [Exit(1)]


def test_at_once_the_first_time(world):
    assert world.happen(StopRequested(at_once=True)) == [
        DrainWorker(1),
        StopWorker(1),
        DrainWorker(2),
        StopWorker(2),
    ]


def test_who_does_not_leave_in_time_is_killed(world):
    world.happen(StopRequested())
    assert world.look(after=POLICY.drain_within - 1) == []
    assert world.look(after=1) == [KillWorker(1), KillWorker(2)]


def test_nothing_is_started_while_it_stops(world):
    world.happen(StopRequested())
    for event in (ReloadRequested(), ScaleRequested(3), WorkerEnded(1, "died")):
        assert not [one for one in world.happen(event) if isinstance(one, StartWorker)]


# Anything, in any order.


class Machine(RuleBasedStateMachine):
    """Random events, on workers that behave and on others."""

    @initialize(wanted=st.integers(1, 5), policy=st.sampled_from([{}, {"max_requests": 5}]))
    def begin(self, wanted, policy):
        self.world = World(wanted, **policy)
        self.ended = False
        self.highest = wanted

    def serials(self, *phases):
        return [row.serial for row in self.world.table.rows if row.phase in phases]

    def happen(self, event):
        assert not self.ended, "something happens behind the end"
        before = self.world.table
        actions = self.world.happen(event)
        self.check(before, event, actions)
        self.ended = any(isinstance(action, Exit) for action in actions)

    def check(self, before, event, actions):
        table = self.world.table
        # A worker that is drained for any reason but a stop or its own fault leaves enough behind.
        drained = [action.serial for action in actions if isinstance(action, DrainWorker)]
        ready_before = {row.serial for row in before.rows if row.phase is Phase.READY}
        was_ready = ready_before.intersection(drained)
        if was_ready and not table.stopping:
            assert table.ready >= table.target
        started = [action.serial for action in actions if isinstance(action, StartWorker)]
        assert all(serial > before.last_serial for serial in started)
        if table.stopping:
            assert not started
        if any(isinstance(action, Exit) for action in actions):
            assert not table.rows

    @precondition(lambda self: self.serials(Phase.STARTING))
    @rule(data=st.data())
    def boots(self, data):
        self.happen(WorkerReady(data.draw(st.sampled_from(self.serials(Phase.STARTING)))))

    @precondition(lambda self: self.world.table.rows)
    @rule(data=st.data(), code=st.sampled_from([0, 1, 2, 3, None]))
    def ends(self, data, code):
        serial = data.draw(st.sampled_from([row.serial for row in self.world.table.rows]))
        self.happen(WorkerEnded(serial, "ended", code))

    @precondition(lambda self: self.serials(Phase.LEAVING))
    @rule(data=st.data())
    def leaves(self, data):
        serial = data.draw(st.sampled_from(self.serials(Phase.LEAVING)))
        self.happen(WorkerEnded(serial, "ended with exit code 0", 0))

    @precondition(lambda self: self.world.table.rows)
    @rule(data=st.data())
    def loses_its_fork_server(self, data):
        serials = [row.serial for row in self.world.table.rows]
        some = data.draw(st.lists(st.sampled_from(serials), unique=True))
        self.happen(ForkServerEnded(tuple(some), "the fork server has ended"))

    @precondition(lambda self: self.ended)
    @rule()
    def is_over(self):
        assert not self.world.table.rows

    @precondition(lambda self: not self.ended)
    @rule(event=st.sampled_from([ReloadRequested(), ScaleRequested(1), ScaleRequested(-1)]))
    def is_asked(self, event):
        self.happen(event)

    @precondition(lambda self: not self.ended)
    @rule(
        event=st.sampled_from(
            [StopRequested(), StopRequested(at_once=True), SupervisorReplaced()]
        ),
        really=st.integers(0, 9),
    )
    def is_stopped(self, event, really):
        if really == 0:
            self.happen(event)

    @precondition(lambda self: not self.ended)
    @rule(
        data=st.data(),
        after=st.sampled_from([0.25, 1.0, 40.0]),
        silent=st.sampled_from([0.1, 50.0]),
        requests=st.integers(0, 10),
    )
    def is_looked_at(self, data, after, silent, requests):
        self.world.now += after
        self.happen(
            WorkersChecked(
                tuple(WorkerStatus(row.serial, silent, requests) for row in self.world.table.rows)
            )
        )

    @invariant()
    def there_is_a_bound(self):
        table = self.world.table
        alive = [row for row in table.rows if row.phase is not Phase.LEAVING]
        # With a lower target, a worker stays until its replacement is ready.
        self.highest = max(self.highest, table.target)
        assert len(alive) <= self.highest + max(1, int(self.highest * POLICY.surge))

    @invariant()
    def it_always_goes_on(self):
        """From anywhere, workers that behave bring it to where it should be."""
        world = World()
        world.table, world.now, world.policy = (
            self.world.table,
            self.world.now,
            self.world.policy,
        )
        if self.ended:
            return
        for _ in range(200):
            world.look(
                *(WorkerStatus(row.serial, 0.1) for row in world.table.rows),
                after=POLICY.longest_pause,
            )
            for serial in world.of(Phase.LEAVING):
                if world.happen(WorkerEnded(serial, "ended", 0)) and world.table.stopping:
                    break
            if world.table.stopping and not world.table.rows:
                return
            world.boot()
            rows = world.table.rows
            if (
                not world.table.stopping
                and len(rows) == world.table.target
                and all(
                    row.phase is Phase.READY
                    and row.generation == world.table.generation
                    and not row.retiring
                    for row in rows
                )
            ):
                return
        raise AssertionError(f"it never settles: {world.table}")


Machine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnything = Machine.TestCase
