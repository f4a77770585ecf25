"""A run as one HTML page that needs nothing else: figures, plots, and a few clips to listen to.

Figures are aggregated by DuckDB over the files of the run, so a page of a hundred million rows takes no more memory than one of
a hundred. Whatever comes from data is escaped, and the page forbids scripts and the network to itself.
"""

import base64
import hashlib
import html
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from annotators.style import reference_key
from manifests.audio_uri import AudioUri
from manifests.emotions import CLASSES, Emotion
from manifests.ids import printable
from manifests.run_folder import RunFolder
from manifests.schema import OUTCOMES
from manifests.storage import Store
from pipeline.export import NOTICE
from pipeline.reference_pass import REFERENCE
from pipeline.status import Status, status

EXAMPLES = 8
LANGUAGES = 6  # in the plots; the largest come first
REASONS = 20
LONG_CLIP_S = 20.0  # a longer one is shown only where there is no shorter one
MAX_CLIP_BYTES = 2 << 20  # a larger one is not embedded

# Okabe and Ito's palette, which people with any colour vision can tell apart, and a grey that is not one of them to anybody.
COLOURS = {
    "angry": "#D55E00",
    "disgusted": "#009E73",
    "fearful": "#CC79A7",
    "happy": "#E69F00",
    "neutral": "#CCCCCC",
    "sad": "#0072B2",
    "surprised": "#56B4E9",
}
_NO_COLOUR = "#5A5A5A"
_OUTCOME_COLOURS = {"labeled": "#0072B2", "rejected": "#E69F00", "failed": "#D55E00"}
_LEVEL_COLOURS = {"low": "#9ECAE1", "medium": "#4292C6", "high": "#08519C", None: "#C8C8C8"}
_STYLE = (
    ("pitch_hz", "pitch", "Hz", 10.0),
    ("loudness_lufs", "loudness", "LUFS", 1.0),
    ("rate_per_s", "rate", "per s", 0.25),
)
"""Column, name, unit and width of a bin of each measure."""
_MIME = {"mp3": "audio/mpeg", "flac": "audio/flac", "wav": "audio/wav", "ogg": "audio/ogg", "opus": "audio/ogg"}


@dataclass(slots=True)
class _Figures:
    """What the page shows of all rows; a language or an emotion that a row lacks is None."""

    outcomes: dict[str | None, Counter[str]] = field(default_factory=dict)  # by language
    hours: Counter[str | None] = field(default_factory=Counter)  # by language, labelled clips only
    emotions: dict[str | None, Counter[str | None]] = field(default_factory=dict)  # by language
    confidence: dict[str, Counter[int]] = field(default_factory=dict)  # by emotion: clips by twentieth
    style: dict[tuple[str, str | None], Counter[tuple[str | None, int, str | None]]] = field(default_factory=dict)
    """By measure and language: clips by unit (of the rate), bin and level."""
    voters: list[tuple[Any, ...]] = field(default_factory=list)
    candidates: dict[tuple[str | None, str | None], list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def languages(self) -> list[str | None]:
        """Largest first."""
        return sorted(self.outcomes, key=lambda name: (-self.outcomes[name].total(), name or ""))


def write_page(run: RunFolder, path: Path) -> None:
    """Write the page of a run, replacing an older one.

    Raises
    ------
    RunFolderError : this is no run folder
    StorageError : the page cannot be written
    """
    record, account, figures = run.require(), status(run), _figures(run)
    try:
        reference = json.loads(run.store.read_text(REFERENCE))["languages"]
    except FileNotFoundError:
        reference = {}
    examples = _rows(run, _choose(figures))
    with matplotlib.rc_context(_RC):
        sections = [
            _headline(record, account),
            _outcome_section(account, figures),
            _emotion_section(figures),
            _confidence_section(figures),
            _style_section(figures, reference),
            _example_section(examples),
            _made_with(record),
        ]
    title = f"Emotion labels: {_e(account.run)}"
    page = _PAGE.format(title=title, css=_CSS, body="\n".join(part for part in sections if part))
    Store(str(path.parent)).write_text(path.name, page)


# -- figures ---------------------------------------------------------------------------------------------------------


def _figures(run: RunFolder) -> _Figures:
    found = _Figures()
    with duckdb.connect() as db:
        db.register("labels", run.dataset())
        for language, outcome, rows, seconds in db.execute(
            "SELECT language, outcome, count(*), coalesce(sum(duration_s), 0) FROM labels GROUP BY ALL"
        ).fetchall():
            found.outcomes.setdefault(language, Counter())[outcome] = rows
            if outcome == "labeled":
                found.hours[language] = seconds / 3600
        db.register("labels", run.dataset(["labeled"]))
        for language, emotion, rows in db.execute(
            "SELECT language, consensus.emotion, count(*) FROM labels GROUP BY ALL"
        ).fetchall():
            found.emotions.setdefault(language, Counter())[emotion] = rows
        for emotion, twentieth, rows in db.execute(
            "SELECT consensus.emotion, greatest(0, least(19, floor(consensus.confidence * 20)))::INT, count(*) FROM labels "
            "WHERE consensus.emotion IS NOT NULL AND isfinite(consensus.confidence) GROUP BY ALL"
        ).fetchall():
            found.confidence.setdefault(emotion, Counter())[twentieth] = rows
        for measure, name, _, width in _STYLE:
            for language, unit, bin_, level, rows in db.execute(
                f"SELECT language, {'style.rate_unit' if name == 'rate' else 'NULL'}, floor(style.{measure} / {width})::INT, "
                f"style.{name}_level, count(*) FROM labels WHERE abs(style.{measure}) < 1e5 GROUP BY ALL"
            ).fetchall():
                found.style.setdefault((measure, language), Counter())[unit, bin_, level] = rows
        found.voters = db.execute(
            "SELECT v.voter, v.version, v.modality, count(*), avg((v.emotion = agreed)::INT) FROM "
            "(SELECT unnest(votes) AS v, consensus.emotion AS agreed FROM labels) GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        # The surest of each language and emotion, ties by id, so that the same run always shows the same clips.
        for language, emotion, best in db.execute(
            "SELECT language, consensus.emotion, min({'long': duration_s > $long, 'doubt': -coalesce(consensus.confidence, 0), "
            "'id': utterance_id, 'shard': shard, 'position': position}, $n) FROM labels WHERE audio_uri IS NOT NULL GROUP BY ALL",
            {"long": LONG_CLIP_S, "n": EXAMPLES},
        ).fetchall():
            found.candidates[language, emotion] = best
    return found


def _choose(figures: _Figures) -> list[dict[str, Any]]:
    """Clips that cover emotions first, then languages."""
    left = {key: list(best) for key, best in figures.candidates.items() if key[0] in figures.languages[:LANGUAGES]}
    if any(emotion is not None for _, emotion in left):
        left = {key: best for key, best in left.items() if key[1] is not None}
    chosen: list[dict[str, Any]] = []
    emotions: Counter[str | None] = Counter()
    languages: Counter[str | None] = Counter()
    while left and len(chosen) < EXAMPLES:
        language, emotion = min(left, key=lambda key: (emotions[key[1]], languages[key[0]], key[1] or "", key[0] or ""))
        chosen.append(left[language, emotion].pop(0))
        emotions[emotion] += 1
        languages[language] += 1
        if not left[language, emotion]:
            del left[language, emotion]
    return chosen


def _rows(run: RunFolder, chosen: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The whole rows, each from the one file that holds its chunk."""
    files = run.chunk_files()
    rows = []
    for pick in chosen:
        starts = [
            s for s, by_outcome in files[pick["shard"]].items() if s <= pick["position"] and "labeled" in by_outcome
        ]
        table = run.read_table(files[pick["shard"]][max(starts)]["labeled"])
        rows += [row for row in table.to_pylist() if row["position"] == pick["position"]]
    return rows


# -- sections --------------------------------------------------------------------------------------------------------


def _headline(record: Mapping[str, Any], account: Status) -> str:
    cards = [("clips", f"{account.rows:,}", ""), ("of audio", _length(account.audio_hours), "")]
    for outcome in OUTCOMES:
        count = getattr(account, outcome)
        cards.append((outcome, f"{count:,}", _percent(count, account.rows)))
    cards.append(("shards done", f"{account.done:,}", f"of {account.shards:,}"))
    boxes = "".join(
        f'<div class="card"><b>{value}</b><span>{name} <i>{share}</i></span></div>' for name, value, share in cards
    )
    notices = [f"<p><b>{_e(NOTICE)}</b> Treat them as candidates, not as truth.</p>"]
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
    warning = f'<p class="warning">{_e(" ".join(problems))}</p>' if problems else ""
    return (
        f'<header><h1>Emotion labels</h1><p class="path">{_e(account.run)}</p></header>'
        f'<div class="notice">{"".join(notices)}</div>{warning}<div class="cards">{boxes}</div>'
    )


def _outcome_section(account: Status, figures: _Figures) -> str:
    if not account.rows:
        return _section("Outcomes", "<p>This run has no rows yet.</p>")
    text = "<p>Every clip of the input ends as labeled, as rejected on purpose, or as failed; nothing is dropped.</p>"
    reasons = sorted(
        account.reasons, key=lambda row: (-row["count"], row["outcome"], row["stage"] or "", row["reason"])
    )
    table = (
        _table(
            ("outcome", "stage", "reason", "clips", "of all clips"),
            [
                (r["outcome"], r["stage"], r["reason"], r["count"], _percent(r["count"], account.rows))
                for r in reasons[:REASONS]
            ],
        )
        if reasons
        else "<p>Nothing was rejected and nothing failed.</p>"
    )
    if len(reasons) > REASONS:
        table += f"<p>… and {len(reasons) - REASONS} more reasons.</p>"
    return _section("Outcomes", text + _plot_outcomes(figures) + table)


def _emotion_section(figures: _Figures) -> str:
    if not any(emotion for counts in figures.emotions.values() for emotion in counts):
        return _section(
            "Emotions by language", "<p>No clip has an emotion: no voter took part, or nothing is labeled.</p>"
        )
    languages = [name for name in figures.languages if name in figures.emotions]
    names = _emotions_in(figures)
    rows = []
    for name in languages[:REASONS]:
        counts = figures.emotions[name]
        rows.append(
            (_language(name), *(counts[emotion] for emotion in names), counts.total(), _length(figures.hours[name]))
        )
    table = _table(("language", *(emotion or "none" for emotion in names), "labeled", "of audio"), rows)
    return _section(
        "Emotions by language", _plot_emotions(figures, languages[:LANGUAGES], names) + table + _shown(figures)
    )


def _confidence_section(figures: _Figures) -> str:
    if not figures.confidence:
        return ""
    text = (
        "<p>Confidence is the mean score of the winning emotion over all voters: how sure they are, not how right.</p>"
    )
    voters = _table(
        ("voter", "version", "listens to", "votes", "agrees with the consensus"),
        [(*row[:4], "" if row[4] is None else f"{row[4]:.1%}") for row in figures.voters],
    )
    return _section("Consensus confidence", text + _plot_confidence(figures) + voters)


def _style_section(figures: _Figures, reference: Mapping[str, Any]) -> str:
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
    return _section("Speaking style", text + _plot_style(figures, languages, reference) + _shown(figures))


def _example_section(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    text = "<p>The surest clips of each emotion, spread over the languages. The text was composed from measured values only.</p>"
    return _section("Clips and rationales", text + f'<div class="clips">{"".join(map(_clip, rows))}</div>')


def _clip(row: Mapping[str, Any]) -> str:
    emotion = (row["consensus"] or {}).get("emotion")
    confidence = (row["consensus"] or {}).get("confidence")
    rationale = row["rationale"] or {}
    name = f"{emotion or 'no emotion'} {_chinese(emotion)}"
    head = f'<span class="emotion" style="border-color:{_colour(emotion)}">{_e(name)}</span>'
    if confidence is not None:
        head += f' <span class="facts">confidence {confidence:.2f}</span>'
    facts = f"{_e(_language(row['language']))} · {row['duration_s'] or 0:.1f} s · {_e(row['utterance_id'])}"
    parts = [f'<h3>{head}</h3><p class="facts">{facts}</p>', _player(row)]
    if row["text"]:
        parts.append(f'<blockquote dir="auto" lang="{_e(row["language"])}">{_e(row["text"].strip())}</blockquote>')
    parts += [
        f'<p lang="{language}">{_e(rationale[name])}</p>'
        for name, language in (("text", "en"), ("text_zh", "zh"))
        if rationale.get(name)
    ]
    parts.append(_measures(row["style"] or {}))
    parts += [_vote(vote) for vote in row["votes"] or ()]
    return f"<article>{''.join(parts)}</article>"


def _player(row: Mapping[str, Any]) -> str:
    mime = _MIME.get((row["audio_format"] or "").lower())
    if mime is None:
        return f'<p class="facts">A browser does not play {_e(row["audio_format"])}.</p>'
    try:
        uri = AudioUri.parse(row["audio_uri"])
        if uri.length > MAX_CLIP_BYTES:
            return f'<p class="facts">Too large to put into this page: {_e(uri)}</p>'
        data = uri.read()
    except (
        Exception
    ) as error:  # object stores raise errors that share no base; the page is worth having without the clip
        return f'<p class="facts">The clip cannot be played: {_e(error)}</p>'
    if hashlib.sha256(data).hexdigest() != row["audio_sha256"]:
        return (
            f'<p class="facts">The clip cannot be played: the shard has changed since it was labeled ({_e(uri)}).</p>'
        )
    return f'<audio controls preload="metadata" src="data:{mime};base64,{base64.b64encode(data).decode()}"></audio>'


def _measures(style: Mapping[str, Any]) -> str:
    said = []
    for measure, name, unit, _ in _STYLE:
        if style.get(measure) is not None:
            shown = f"{style['rate_unit'] or 'units'} per s" if name == "rate" else unit
            word = style.get(f"{name}_level")
            value = f"{style[measure]:.{0 if name == 'pitch' else 1}f}".replace("-", "−")
            said.append(f"{name} {value} {_e(shown)}" + (f" ({_e(word)})" if word else ""))
    return f'<p class="facts">{" · ".join(said)}</p>' if said else ""


def _vote(vote: Mapping[str, Any]) -> str:
    order = {str(emotion): i for i, emotion in enumerate(Emotion)}
    scores = sorted(vote["scores"] or (), key=lambda s: (order.get(s["emotion"], len(order)), s["emotion"] or ""))
    bars = "".join(
        f'<div>{_e(s["emotion"])}</div><div class="bar"><span style="width:{100 * min(1.0, max(0.0, s["score"] or 0.0)):.1f}%;'
        f'background:{_colour(s["emotion"])}"></span></div><div>{s["score"] or 0.0:.2f}</div>'
        for s in scores
    )
    heard = f"{_e(vote['voter'])} {_e(vote['version'])} ({_e(vote['modality'])}): <b>{_e(vote['emotion'])}</b>"
    return f'<p class="voter">{heard}</p><div class="scores">{bars}</div>'


def _made_with(record: Mapping[str, Any]) -> str:
    names = ", ".join(f"{name} {version}" for name, version in record["annotators"].items())
    text = f"Profile {record.get('profile')}. Annotators: {names}. emotrove {record.get('emotrove')}."
    return f"<footer>{_e(text)}</footer>"


def _shown(figures: _Figures) -> str:
    more = len(figures.languages) - LANGUAGES
    return (
        f'<p class="facts">The plots show the {LANGUAGES} largest languages of {LANGUAGES + more}.</p>'
        if more > 0
        else ""
    )


# -- plots -----------------------------------------------------------------------------------------------------------

_RC: Any = {
    "svg.fonttype": "none",  # text stays text
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "xtick.color": "#444444",
    "ytick.color": "#222222",
    "legend.frameon": False,
}
_WIDTH_IN = 9.4


def _plot_outcomes(figures: _Figures) -> str:
    bars = [(_language(name), figures.outcomes[name]) for name in figures.languages[:LANGUAGES]]
    if others := figures.languages[LANGUAGES:]:
        bars.append((f"{len(others)} others", sum((figures.outcomes[name] for name in others), Counter())))
    figure = Figure((_WIDTH_IN, 0.75 + 0.34 * len(bars)), layout="constrained")
    axes = figure.subplots()
    left = [0.0] * len(bars)
    for outcome in OUTCOMES:
        shares = [100 * counts[outcome] / counts.total() for _, counts in bars]
        axes.barh(range(len(bars)), shares, 0.62, left=left, color=_OUTCOME_COLOURS[outcome], label=outcome)
        left = [a + b for a, b in zip(left, shares, strict=True)]
    for y, (_, counts) in enumerate(bars):
        said = " · ".join(f"{counts[outcome]:,} {outcome}" for outcome in OUTCOMES)
        axes.annotate(said, (101, y), va="center", annotation_clip=False)
    axes.set_yticks(range(len(bars)), [_plain(name) for name, _ in bars], parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.xaxis.set_major_formatter("{x:.0f}%")
    figure.legend(loc="outside upper left", ncols=3)
    return _svg(figure, "outcomes", "Outcomes by language, in percent of the clips")


def _plot_emotions(figures: _Figures, languages: Sequence[str | None], names: Sequence[str | None]) -> str:
    columns = min(3, len(languages))
    lines = -(-len(languages) // columns)
    figure = Figure((_WIDTH_IN, 0.25 + lines * (0.6 + 0.23 * len(names))), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    most = max(
        rows / counts.total() for counts in map(figures.emotions.__getitem__, languages) for rows in counts.values()
    )
    for i, axes in enumerate(grid.flat):
        if i >= len(languages):
            axes.set_axis_off()
            continue
        counts = figures.emotions[languages[i]]
        shares = [100 * counts[emotion] / counts.total() for emotion in names]
        axes.barh(range(len(names)), shares, 0.72, color=[_colour(emotion) for emotion in names])
        for y, share in enumerate(shares):
            axes.annotate(f"{share:.0f}%", (share, y), (3, 0), textcoords="offset points", va="center")
        axes.set_yticks(range(len(names)), [_plain(emotion or "none") for emotion in names], parse_math=False)
        axes.set_title(f"{_plain(_language(languages[i]))}: {counts.total():,} clips", parse_math=False)
        axes.set_xlim(0, 118 * most)
        axes.xaxis.set_visible(False)  # every bar says its value
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(axis="y", length=0)
    grid[0][0].invert_yaxis()
    return _svg(figure, "emotions", "Emotions by language, in percent of the labeled clips")


def _plot_confidence(figures: _Figures) -> str:
    figure = Figure((_WIDTH_IN, 2.6), layout="constrained")
    axes = figure.subplots()
    bottom = [0] * 20
    for emotion in _emotions_in(figures):
        counts = figures.confidence.get(emotion or "", Counter())
        heights = [counts[i] for i in range(20)]
        if any(heights):
            middles = [(i + 0.5) / 20 for i in range(20)]
            axes.bar(middles, heights, 0.046, bottom=bottom, color=_colour(emotion), label=_plain(emotion))
            bottom = [a + b for a, b in zip(bottom, heights, strict=True)]
    axes.set_xlim(0, 1)
    axes.set_xlabel("confidence")
    axes.set_ylabel("clips")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    figure.legend(loc="outside right upper", reverse=True)
    return _svg(figure, "confidence", "How many clips have which consensus confidence, by emotion")


def _plot_style(figures: _Figures, languages: Sequence[str | None], reference: Mapping[str, Any]) -> str:
    figure = Figure((_WIDTH_IN, 0.45 + 1.55 * len(languages)), layout="constrained")
    grid = figure.subplots(len(languages), 3, squeeze=False)
    labels: dict[str, Any] = {}
    for column, (measure, name, unit, width) in enumerate(_STYLE):
        for line, language in enumerate(languages):
            axes, counts = grid[line][column], figures.style.get((measure, language), Counter())
            if not counts:
                axes.set_axis_off()
                continue
            by_unit: Counter[str | None] = Counter()
            for (of, _, _), rows in counts.items():
                by_unit[of] += rows
            # A rate per phone and one per letter do not belong on one axis; the more frequent unit is shown.
            most = max(by_unit, key=lambda key: (by_unit[key], key or ""))
            bins = {(b, level): rows for (of, b, level), rows in counts.items() if of == most}
            low, high = _span(bins)
            bottom: Counter[int] = Counter()
            for level, colour in _LEVEL_COLOURS.items():
                xs = sorted(b for b, of in bins if of == level)
                middles, heights = [(b + 0.5) * width for b in xs], [bins[b, level] for b in xs]
                bars = axes.bar(middles, heights, 0.92 * width, [bottom[b] for b in xs], color=colour)
                bottom.update({b: bins[b, level] for b in xs})
                if xs:
                    labels.setdefault(level or "no word", bars)
            known = reference.get(language or "", {}).get(reference_key(measure, {"rate_unit": most}))
            if known:
                for limit in (known["mean"] - known["std"], known["mean"] + known["std"]):
                    labels["limits"] = axes.axvline(limit, color="#222222", linewidth=1, linestyle=(0, (4, 3)))
            axes.set_xlim(low * width, high * width)
            axes.set_title(f"{_plain(_language(language))}: {name}", parse_math=False)
            axes.set_xlabel(_plain(f"{most or 'units'} per s") if name == "rate" else unit, parse_math=False)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
            axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
            axes.yaxis.set_major_formatter("{x:,.0f}")
    order = [name for name in ("low", "medium", "high", "no word", "limits") if name in labels]
    figure.legend([labels[name] for name in order], order, loc="outside upper left", ncols=5)
    return _svg(figure, "style", "Clips by pitch, loudness and speaking rate, with the limits of low and high")


def _span(bins: Mapping[tuple[int, str | None], int]) -> tuple[int, int]:
    """First and last bin to show: without the outermost thousandth on either side, so that no outlier squeezes the rest."""
    total = sum(bins.values())
    seen, shown = 0, []
    for b, rows in sorted(bins.items(), key=lambda item: item[0][0]):
        if seen + rows > total / 1000 and seen < total - total / 1000:
            shown.append(b[0])
        seen += rows
    return min(shown) - 1, max(shown) + 2


def _svg(figure: Figure, name: str, title: str) -> str:
    """The figure as an ``<svg>`` element whose ids meet no other's."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):  # without it the ids would differ from run to run
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'((?: id="|url\(#|href="#))', rf"\1{name}-", text)
    text = text.replace("<svg", f'<svg role="img" aria-label="{_e(title)}"', 1)
    return f"<figure>{text}<figcaption>{_e(title)}.</figcaption></figure>"


# -- words -----------------------------------------------------------------------------------------------------------


def _e(value: object) -> str:
    """Any text of the data as HTML text or the value of an attribute."""
    return html.escape(
        re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "\ufffd", printable(str("" if value is None else value)))
    )


def _plain(text: object) -> str:
    """A word of the data for a plot, whose font knows Latin letters only."""
    shown = str(text).encode("ascii", "backslashreplace").decode()
    return re.sub(r"[^ -~]", "?", shown if len(shown) <= 16 else shown[:15] + "~")


def _language(name: str | None) -> str:
    return name or "unknown"


def _chinese(emotion: str | None) -> str:
    return Emotion(emotion).zh if emotion in COLOURS else ""


def _colour(emotion: str | None) -> str:
    return COLOURS.get(emotion or "", _NO_COLOUR)


def _emotions_in(figures: _Figures) -> list[str | None]:
    """The seven classes, and what else there is behind them."""
    classes: list[str | None] = [str(emotion) for emotion in CLASSES]
    there = {emotion for counts in figures.emotions.values() for emotion in counts}
    return classes + sorted(there - set(classes), key=lambda name: (name is None, name or ""))


def _length(hours: float) -> str:
    return f"{hours:,.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""


def _section(title: str, body: str) -> str:
    return f"<section><h2>{_e(title)}</h2>{body}</section>"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; columns of numbers stand to the right."""
    shown = [
        [f"{value:,}" if isinstance(value, int) else str("" if value is None else value) for value in row]
        for row in rows
    ]
    numeric = [all(_NUMBER.fullmatch(row[i]) for row in shown) for i in range(len(head))]
    top = "".join(
        f"<th{' class=n' if right else ''}>{_e(name)}</th>" for name, right in zip(head, numeric, strict=True)
    )
    lines = (
        "".join(f"<td{' class=n' if right else ''}>{_e(value)}</td>" for value, right in zip(row, numeric, strict=True))
        for row in shown
    )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="table"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


_NUMBER = re.compile(r"[\d.,]+(%| h| min)?")


# The policy lets the page load nothing and run nothing, even if an escape were missing somewhere.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; media-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{css}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
_CSS = """
:root { color-scheme: light; --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK SC", "PingFang SC",
  "Microsoft YaHei", sans-serif; }
body { margin: 0; background: #fff; color: #1c1c1c; font: 16px/1.5 var(--sans); }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1.25rem 3rem; }
h1 { font-size: 1.75rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.25rem 0 .5rem; border-bottom: 1px solid #ddd; }
h3 { font-size: 1rem; margin: 0; }
h3 .facts { font-weight: normal; margin-left: .3rem; }
p { margin: .4rem 0; }
.path, .facts, footer, figcaption { color: #5a5a5a; font-size: .85rem; overflow-wrap: anywhere; }
.notice { background: #fff7e0; border-left: 4px solid #e69f00; padding: .3rem .9rem; margin: 1rem 0; }
.warning { background: #fdeae2; border-left: 4px solid #d55e00; padding: .3rem .9rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .6rem; }
.card { border: 1px solid #ddd; border-radius: 6px; padding: .5rem .8rem; }
.card b { display: block; font-size: 1.5rem; line-height: 1.2; }
.card span { font-size: .85rem; color: #444; }
.card i { color: #6b6b6b; font-style: normal; }
figure { margin: .75rem 0; }
figure svg { display: block; width: 100%; height: auto; }
figure svg text { font-family: var(--sans) !important; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; margin: .5rem 0; }
th, td { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid #e6e6e6; }
th { font-weight: 600; }
.n { text-align: right; }
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(24rem, 1fr)); gap: 1rem; }
article { border: 1px solid #ddd; border-radius: 6px; padding: .8rem 1rem; font-size: .92rem; overflow-wrap: anywhere; }
article audio { width: 100%; margin: .3rem 0; }
blockquote { margin: .4rem 0; padding-left: .7rem; border-left: 3px solid #ccc; }
.emotion { border-left: 14px solid; padding-left: .45rem; }
.voter { margin-top: .6rem; font-size: .85rem; }
.scores { display: grid; grid-template-columns: 5.5rem 1fr 2.4rem; gap: 0 .5rem; align-items: center; font-size: .78rem; }
.scores div:nth-child(3n) { text-align: right; }
.bar { border-left: 1px solid #999; height: .6rem; }
.bar span { display: block; height: 100%; }
footer { margin-top: 2.5rem; border-top: 1px solid #ddd; padding-top: .6rem; }
@media (max-width: 30rem) { .clips { grid-template-columns: 1fr; } }
@media print {
  html { font-size: 9.5pt; }
  body { font-size: 9.5pt; }
  main { max-width: none; padding: 0; }
  article audio { display: none; }
  .cards { grid-template-columns: repeat(6, 1fr); }
  .clips { grid-template-columns: 1fr 1fr; gap: .7rem; }
  h2, section > p { break-after: avoid; }
  figure, article, .card, tr { break-inside: avoid; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"""
