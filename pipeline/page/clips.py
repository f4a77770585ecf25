"""The example clips of the page: a player, the text, the rationale, the measures and the votes of each."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from manifests.audio_uri import AudioUri
from manifests.emotions import Emotion
from manifests.html_page import POLICY, escape, language_name, section
from pipeline.page.figures import MEASURES
from pipeline.page.plots import COLOURS, colour

MAX_CLIP_BYTES = 2 << 20  # a larger one is not embedded
_MIME = {"mp3": "audio/mpeg", "flac": "audio/flac", "wav": "audio/wav", "ogg": "audio/ogg", "opus": "audio/ogg"}

POLICY_WITH_SOUND = f"{POLICY}; media-src data:"
CSS = """
h3 .facts { font-weight: normal; margin-left: .3rem; }
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
@media (max-width: 30rem) { .clips { grid-template-columns: 1fr; } }
@media print {
  article audio { display: none; }
  .clips { grid-template-columns: 1fr 1fr; gap: .7rem; }
  article { break-inside: avoid; }
}
"""


def example_section(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    text = "<p>The surest clips of each emotion, spread over the languages. The text was composed from measured values only.</p>"
    return section("Clips and rationales", text + f'<div class="clips">{"".join(map(_clip, rows))}</div>')


def _clip(row: Mapping[str, Any]) -> str:
    emotion = (row["consensus"] or {}).get("emotion")
    confidence = (row["consensus"] or {}).get("confidence")
    rationale = row["rationale"] or {}
    name = f"{emotion or 'no emotion'} {_chinese(emotion)}"
    head = f'<span class="emotion" style="border-color:{colour(emotion)}">{escape(name)}</span>'
    if confidence is not None:
        head += f' <span class="facts">confidence {confidence:.2f}</span>'
    facts = f"{escape(language_name(row['language']))} · {row['duration_s'] or 0:.1f} s · {escape(row['utterance_id'])}"
    parts = [f'<h3>{head}</h3><p class="facts">{facts}</p>', _player(row)]
    if row["text"]:
        parts.append(
            f'<blockquote dir="auto" lang="{escape(row["language"])}">{escape(row["text"].strip())}</blockquote>'
        )
    parts += [
        f'<p lang="{language}">{escape(rationale[name])}</p>'
        for name, language in (("text", "en"), ("text_zh", "zh"))
        if rationale.get(name)
    ]
    parts.append(_measures(row["style"] or {}))
    parts += [_vote(vote) for vote in row["votes"] or ()]
    return f"<article>{''.join(parts)}</article>"


def _player(row: Mapping[str, Any]) -> str:
    mime = _MIME.get((row["audio_format"] or "").lower())
    if mime is None:
        return f'<p class="facts">A browser does not play {escape(row["audio_format"])}.</p>'
    try:
        uri = AudioUri.parse(row["audio_uri"])
        if uri.length > MAX_CLIP_BYTES:
            return f'<p class="facts">Too large to put into this page: {escape(uri)}</p>'
        data = uri.read()
    # Object stores raise errors that share no base, and the page is worth having without the clip.
    except Exception as error:
        return f'<p class="facts">The clip cannot be played: {escape(error)}</p>'
    if hashlib.sha256(data).hexdigest() != row["audio_sha256"]:
        return f'<p class="facts">The clip cannot be played: the shard has changed since it was labeled ({escape(uri)}).</p>'
    return f'<audio controls preload="metadata" src="data:{mime};base64,{base64.b64encode(data).decode()}"></audio>'


def _measures(style: Mapping[str, Any]) -> str:
    said = []
    for measure, name, unit, _ in MEASURES:
        if style.get(measure) is not None:
            shown = f"{style['rate_unit'] or 'units'} per s" if name == "rate" else unit
            word = style.get(f"{name}_level")
            value = f"{style[measure]:.{0 if name == 'pitch' else 1}f}".replace("-", "−")
            said.append(f"{name} {value} {escape(shown)}" + (f" ({escape(word)})" if word else ""))
    return f'<p class="facts">{" · ".join(said)}</p>' if said else ""


def _vote(vote: Mapping[str, Any]) -> str:
    order = {str(emotion): i for i, emotion in enumerate(Emotion)}
    scores = sorted(vote["scores"] or (), key=lambda s: (order.get(s["emotion"], len(order)), s["emotion"] or ""))
    bars = "".join(
        f'<div>{escape(s["emotion"])}</div><div class="bar"><span style="width:{100 * min(1.0, max(0.0, s["score"] or 0.0)):.1f}%;'
        f'background:{colour(s["emotion"])}"></span></div><div>{s["score"] or 0.0:.2f}</div>'
        for s in scores
    )
    heard = f"{escape(vote['voter'])} {escape(vote['version'])} ({escape(vote['modality'])}): <b>{escape(vote['emotion'])}</b>"
    return f'<p class="voter">{heard}</p><div class="scores">{bars}</div>'


def _chinese(emotion: str | None) -> str:
    return Emotion(emotion).zh if emotion in COLOURS else ""
