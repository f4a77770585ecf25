"""The sections of the page that show a run as a whole."""

from collections.abc import Mapping
from typing import Any

from manifests.html_page import card, escape, language_name, percent, section, table
from manifests.schema import OUTCOMES
from pipeline.export import NOTICE
from pipeline.page.figures import LANGUAGES, Figures
from pipeline.page.plots import plot_confidence, plot_emotions, plot_outcomes, plot_style
from pipeline.status import Status

REASONS = 20


def headline(record: Mapping[str, Any], account: Status) -> str:
    cards = [("clips", f"{account.rows:,}", ""), ("of audio", _length(account.audio_hours), "")]
    for outcome in OUTCOMES:
        count = getattr(account, outcome)
        cards.append((outcome, f"{count:,}", percent(count, account.rows)))
    cards.append(("shards done", f"{account.done:,}", f"of {account.shards:,}"))
    boxes = "".join(card(value, name, beside) for name, value, beside in cards)
    notices = [f"<p><b>{escape(NOTICE)}</b> Treat them as candidates, not as truth.</p>"]
    if "seed" in record["annotators"]:
        notices.append(
            "<p>The voter <b>seed</b> is a small network trained on acted speech. On other speech take its labels as a first "
            "guess; <b>on synthetic speech, such as that of the demo, they mean nothing.</b></p>"
        )
    problems = [f"{account.shards - account.done:,} shards are not done yet."] if account.done < account.shards else []
    problems += [f"{len(account.unreadable):,} shards could not be read."] if account.unreadable else []
    problems += (
        [f"{account.duplicates:,} clips have an id that an earlier shard has used."] if account.duplicates else []
    )
    problems += [f"{len(account.unreconciled):,} contradictions: see emotrove status."] if account.unreconciled else []
    warning = f'<p class="warning">{escape(" ".join(problems))}</p>' if problems else ""
    return (
        f'<header><h1>Emotion labels</h1><p class="path">{escape(account.run)}</p></header>'
        f'<div class="notice">{"".join(notices)}</div>{warning}<div class="cards">{boxes}</div>'
    )


def outcome_section(account: Status, figures: Figures) -> str:
    if not account.rows:
        return section("Outcomes", "<p>This run has no rows yet.</p>")
    text = "<p>Every clip of the input ends as labeled, as rejected on purpose, or as failed; nothing is dropped.</p>"
    reasons = sorted(
        account.reasons, key=lambda row: (-row["count"], row["outcome"], row["stage"] or "", row["reason"])
    )
    listed = (
        table(
            ("outcome", "stage", "reason", "clips", "of all clips"),
            [
                (r["outcome"], r["stage"], r["reason"], r["count"], percent(r["count"], account.rows))
                for r in reasons[:REASONS]
            ],
        )
        if reasons
        else "<p>Nothing was rejected and nothing failed.</p>"
    )
    if len(reasons) > REASONS:
        listed += f"<p>… and {len(reasons) - REASONS} more reasons.</p>"
    return section("Outcomes", text + plot_outcomes(figures) + listed)


def emotion_section(figures: Figures) -> str:
    if not any(emotion for counts in figures.emotions.values() for emotion in counts):
        return section(
            "Emotions by language", "<p>No clip has an emotion: no voter took part, or nothing is labeled.</p>"
        )
    languages = [name for name in figures.languages if name in figures.emotions]
    names = figures.emotion_names
    rows = []
    for name in languages[:REASONS]:
        counts = figures.emotions[name]
        rows.append(
            (language_name(name), *(counts[emotion] for emotion in names), counts.total(), _length(figures.hours[name]))
        )
    listed = table(("language", *(emotion or "none" for emotion in names), "labeled", "of audio"), rows)
    return section(
        "Emotions by language", plot_emotions(figures, languages[:LANGUAGES], names) + listed + _shown(figures)
    )


def confidence_section(figures: Figures) -> str:
    if not figures.confidence:
        return ""
    text = (
        "<p>Confidence is the mean score of the winning emotion over all voters: how sure they are, not how right.</p>"
    )
    voters = table(
        ("voter", "version", "listens to", "votes", "agrees with the consensus"),
        [(*row[:4], "" if row[4] is None else f"{row[4]:.1%}") for row in figures.voters],
    )
    return section("Consensus confidence", text + plot_confidence(figures) + voters)


def style_section(figures: Figures, reference: Mapping[str, Any]) -> str:
    if not figures.style:
        return ""
    measured = {language for _, language in figures.style}
    languages = [name for name in figures.languages if name in measured][:LANGUAGES]
    text = (
        "<p>Dashed lines are the limits: below mean − standard deviation of its language a clip is low, above mean + standard "
        "deviation high. They come from a sample of the run itself, so a word says how a clip stands among its own. A language "
        "that the sample hardly holds has no words.</p>"
        if reference
        else "<p>The sample of this run is too small for the words low, medium and high.</p>"
    )
    return section("Speaking style", text + plot_style(figures, languages, reference) + _shown(figures))


def made_with(record: Mapping[str, Any]) -> str:
    names = ", ".join(f"{name} {version}" for name, version in record["annotators"].items())
    text = f"Profile {record.get('profile')}. Annotators: {names}. emotrove {record.get('emotrove')}."
    return f"<footer>{escape(text)}</footer>"


def _length(hours: float) -> str:
    return f"{hours:,.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def _shown(figures: Figures) -> str:
    more = len(figures.languages) - LANGUAGES
    return (
        f'<p class="facts">The plots show the {LANGUAGES} largest languages of {LANGUAGES + more}.</p>'
        if more > 0
        else ""
    )
