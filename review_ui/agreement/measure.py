"""The whole report of a run."""

from manifests.answers import judged
from manifests.bootstrap import CONFIDENCE
from manifests.errors import RunFolderError
from manifests.review_folder import ReviewFolder
from review_ui.agreement import parts
from review_ui.agreement.figures import Resampling
from review_ui.agreement.pairs import CATEGORIES, EMOTIONS, Pairs
from review_ui.agreement.people import people, progress
from review_ui.agreement.report import AGREEMENT_VERSION, Report
from review_ui.agreement.voters import agreement_among_voters, read_votes, voter_agreement


def measure(review: ReviewFolder, *, resamples: int = 1000, seed: int = 0) -> Report:
    """How far the experts of a run agree. The same answers with the same seed give the same report.

    Raises
    ------
    RunFolderError : this is no run folder, nothing was pushed to the experts yet, or a file is damaged
    """
    review.run.require()
    routes, tasks = review.in_review(), review.tasks()
    if not tasks.num_rows:
        raise RunFolderError(
            f"The experts of {review.run} have nothing to answer yet. Give them the clips with: "
            f"emotrove review push {review.run}"
        )
    answers = judged(routes, tasks, review.ledger())
    pairs = Pairs.of(answers)
    votes = read_votes(review.run, routes, pairs.utterance_id)
    resampling = Resampling(resamples, seed)
    slices = tuple(parts.slices(pairs, resampling))
    return Report(
        version=AGREEMENT_VERSION,
        run=str(review.run).rstrip("/").rsplit("/", 1)[-1],
        resamples=resamples,
        seed=seed,
        confidence=CONFIDENCE,
        categories=CATEGORIES,
        emotions=EMOTIONS,
        headline=parts.headline(slices),
        counts=progress(answers, tasks, routes),
        slices=slices,
        languages=tuple(parts.languages(pairs, resampling)),
        pairs=tuple(parts.people_pairs(pairs, resampling)),
        weeks=tuple(parts.weeks(pairs, resampling)),
        confusion=parts.confusion(pairs),
        people=people(answers),
        voters=voter_agreement(pairs, votes, resampling),
        among_voters=agreement_among_voters(pairs, votes, resampling),
    )
