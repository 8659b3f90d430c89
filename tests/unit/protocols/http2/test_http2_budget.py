"""protocols/http2/budget.py: what a peer may do without sending anything of use."""

import pytest

from bascule.errors import FrameRefused
from bascule.protocols.http2.budget import Budget, PeerBudget
from bascule.protocols.limits import Http2Limits
from support import http2_frames as h2


def test_a_budget_is_spent_and_comes_back_with_time() -> None:
    budget = Budget(3, 2.0)
    assert budget.spend(2)
    assert budget.spend(1)
    assert not budget.spend(1)
    budget.replenish(1.0)
    assert budget.spend(1)
    assert not budget.spend(1)


def test_a_budget_never_has_more_than_at_first() -> None:
    budget = Budget(3, 2.0)
    budget.earn(100)
    budget.replenish(1000.0)
    assert budget.left == 3.0


def test_frames_are_refused_when_nothing_is_left() -> None:
    budget = PeerBudget(Http2Limits(frames=2))
    budget.charge_frames(2)
    with pytest.raises(FrameRefused, match="carry no request") as refused:
        budget.charge_frames(1)
    assert h2.ERRORS[refused.value.code] == "ENHANCE_YOUR_CALM"


def test_resets_are_refused_when_nothing_is_left() -> None:
    budget = PeerBudget(Http2Limits(resets=1))
    budget.charge_reset()
    with pytest.raises(FrameRefused, match="streams that are reset"):
        budget.charge_reset()


def test_window_updates_are_free_for_what_was_sent() -> None:
    budget = PeerBudget(Http2Limits())
    left = budget.frames.left
    budget.request_opened()
    budget.frame_sent(2048)
    for _ in range(2 + 4 + 4):
        budget.charge_update()
    assert budget.frames.left == left
    budget.charge_update()
    assert budget.frames.left == left - 1


def test_window_updates_are_not_saved_up_without_end() -> None:
    budget = PeerBudget(Http2Limits())
    for _ in range(20):
        budget.frame_sent(2**24)
    assert budget.updates == 262144


def test_responses_give_back_what_was_spent() -> None:
    budget = PeerBudget(Http2Limits(frames=20, resets=2))
    budget.charge_frames(20)
    budget.charge_reset()
    budget.response_sent()
    budget.frame_sent(10)
    assert (budget.frames.left, budget.resets.left) == (10.0, 2.0)
