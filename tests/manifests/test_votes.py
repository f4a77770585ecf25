"""What several voters say together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.emotions import CLASSES, Emotion
from manifests.votes import consensus


def vote(emotion: str, **scores: float) -> dict[str, object]:
    return {
        "emotion": emotion,
        "confidence": scores.get(emotion),
        "scores": [{"emotion": name, "score": score} for name, score in scores.items()],
    }


def test_nobody_voted() -> None:
    assert consensus([]) is None


def test_one_voter_is_agreed_with_itself() -> None:
    agreed = consensus([vote("sad", sad=0.7, angry=0.3)])
    assert agreed == {"emotion": "sad", "confidence": pytest.approx(0.7), "n_votes": 1, "agreement": 1.0}


def test_the_majority_wins_over_the_surest() -> None:
    votes = [vote("happy", happy=0.4, sad=0.3), vote("happy", happy=0.4, sad=0.3), vote("sad", sad=1.0)]
    assert consensus(votes) == {
        "emotion": "happy",
        "confidence": pytest.approx(0.8 / 3),
        "n_votes": 3,
        "agreement": pytest.approx(2 / 3),
    }


def test_a_tie_goes_to_the_higher_mean_score_and_then_to_the_alphabet() -> None:
    assert consensus([vote("sad", sad=0.9, happy=0.1), vote("happy", happy=0.6, sad=0.4)])["emotion"] == "sad"
    assert consensus([vote("sad", sad=0.5, fearful=0.5), vote("fearful", sad=0.5, fearful=0.5)])["emotion"] == "fearful"


def test_other_and_unknown_lower_the_agreement_but_cannot_win() -> None:
    votes = [vote("other", other=1.0), vote("unknown", unknown=1.0), vote("angry", angry=0.3)]
    agreed = consensus(votes)
    assert (agreed["emotion"], agreed["n_votes"], agreed["agreement"]) == ("angry", 3, pytest.approx(1 / 3))
    none = consensus([vote("other", other=0.9, sad=0.1)])
    assert none == {"emotion": None, "confidence": None, "n_votes": 1, "agreement": 0.0}


def test_a_voter_that_gives_no_scores() -> None:
    bare = {"emotion": "sad", "confidence": 0.8, "scores": None}
    assert consensus([bare])["confidence"] == pytest.approx(0.8)
    assert consensus([{**bare, "confidence": None}])["emotion"] == "sad"


answers = st.sampled_from([str(e) for e in Emotion])
votes = st.lists(
    st.builds(
        lambda emotion, scores: vote(emotion, **scores),
        answers,
        st.dictionaries(answers, st.floats(0, 1), max_size=9),
    ),
    min_size=1,
    max_size=6,
)


@given(votes, st.randoms())
def test_the_order_of_the_voters_does_not_matter(ballots: list[dict[str, object]], shuffle: object) -> None:
    agreed = consensus(ballots)
    mixed = list(ballots)
    shuffle.shuffle(mixed)
    again = consensus(mixed)
    assert agreed["agreement"] == again["agreement"] and agreed["n_votes"] == len(ballots)
    chosen = [b["emotion"] for b in ballots if b["emotion"] in [str(c) for c in CLASSES]]
    if chosen:
        assert agreed["emotion"] in chosen
        assert chosen.count(agreed["emotion"]) == max(map(chosen.count, chosen))
    else:
        assert agreed["emotion"] is None
