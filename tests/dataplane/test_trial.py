"""When nodes that do not answer over a neighbour speak against it."""

from mycelium.dataplane.trial import NeighbourTrial


def test_a_neighbour_over_which_nobody_answers_is_found_once() -> None:
    trial = NeighbourTrial([b"a", b"b", b"c"], now=1.0)
    assert not trial.is_damning
    assert [trial.note(node, answers=False) for node in (b"a", b"b", b"c", b"a")] == [False, False, True, False]
    assert (trial.is_damning, trial.silent, trial.chosen_at) == (True, 3, 1.0)


def test_one_that_answers_clears_it_and_one_that_is_silent_alone_says_nothing() -> None:
    trial = NeighbourTrial([b"a", b"b", b"c"], now=1.0)
    assert not any([trial.note(b"a", answers=True), trial.note(b"b", answers=False), trial.note(b"c", answers=False)])
    assert not NeighbourTrial([b"a"], now=1.0).note(b"a", answers=False)
    two = NeighbourTrial([b"a", b"b"], now=1.0)
    assert [two.note(node, answers=False) for node in (b"a", b"b")] == [False, True]


def test_once_found_as_many_have_to_answer_as_are_silent() -> None:
    trial = NeighbourTrial([b"a", b"b", b"c", b"d"], now=1.0)
    for node in (b"a", b"b", b"c", b"d"):
        trial.note(node, answers=False)
    trial.note(b"a", answers=True)
    assert trial.is_damning
    trial.note(b"b", answers=True)
    assert not trial.is_damning


def test_other_nodes_do_not_count() -> None:
    trial = NeighbourTrial([b"a", b"b"], now=1.0)
    assert b"x" not in trial
    assert not any(trial.note(node, answers=False) for node in (b"x", b"y", b"a"))
    assert trial.silent == 1
