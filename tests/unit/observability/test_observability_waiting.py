"""Steps that take long at the start are named."""

import threading

from bascule.observability.waiting import waiting_for


def test_what_takes_long_is_named_once():
    told = []
    was_told = threading.Event()

    def tell(text):
        told.append(text)
        was_told.set()

    with waiting_for("the import of main:app", tell, after=0.01):
        assert was_told.wait(20)
    assert told == ["not ready yet: waiting for the import of main:app"]


def test_what_is_quick_is_not():
    told = []
    with waiting_for("nothing", told.append, after=20):
        pass
    assert told == []


def test_threads_may_be_replaced_meanwhile():
    """gevent refuses to where another thread than the main one is known."""
    known = threading.enumerate()
    with waiting_for("nothing", print, after=20):
        assert threading.enumerate() == known
