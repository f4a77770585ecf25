"""Makes the shard of ``emotrove demo``: synthetic speech in Emilia's WebDataset form, the same bytes every time.

    python pipeline/demo_data/make_shard.py [OUT.tar]

Needs emotrove installed and espeak-ng on the PATH (``apt-get install espeak-ng``). Another version of espeak-ng, of LAME (in
libsndfile) or of soxr makes other bytes.
"""

import html
import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile as sf
import soxr

from manifests.ids import make_emilia_id

SHARD = Path(__file__).with_name("DEMO-B000000.tar")
SAMPLE_RATE_HZ = 24_000  # as in Emilia
MTIME = 1_735_689_600  # 2025-01-01, so that the tar does not depend on the clock


class Style(NamedTuple):
    """How espeak-ng speaks: pitch and its range from 0 to 99, amplitude from 0 to 200."""

    words_per_minute: int
    pitch: int
    pitch_range: int
    amplitude: int


# Most clips are near the middle, so that low and high are the exception, as in real speech.
STYLES = (
    Style(175, 50, 50, 70),
    Style(130, 30, 20, 28),
    Style(185, 55, 60, 75),
    Style(250, 75, 90, 105),
    Style(165, 45, 40, 65),
    Style(150, 20, 35, 85),
    Style(195, 60, 70, 72),
    Style(180, 85, 95, 50),
    Style(170, 48, 45, 68),
)
# espeak-ng's plain "cmn" reads Chinese characters as English letters in some releases (1.51); this one speaks Mandarin.
_MANDARIN = "cmn-latn-pinyin"
VOICES = {
    "en": ("en-us", "en-us+f2", "en-gb+m3", "en-gb+f4", "en-gb-scotland+m7", "en-us+f5"),
    "zh": tuple(f"{_MANDARIN}{variant}" for variant in ("", "+f2", "+m3", "+f4", "+m7", "+f5")),
}
TEXTS = {
    "en": (
        "I opened the letter, and it was good news at last.",
        "Please put the boxes next to the blue door.",
        "We waited for an hour, but nobody came.",
        "You promised me that this would never happen again!",
        "The train leaves at half past seven.",
        "Did you hear that noise under the stairs?",
        "I can't believe it, we really won the match!",
        "The milk has been in there for three weeks.",
        "She left this morning without saying goodbye.",
        "Turn left after the bridge and follow the river.",
        "What a wonderful day for a walk by the sea.",
        "Stop shouting at me, I heard you the first time!",
        "The meeting has been moved to Thursday.",
        "There is something moving behind the curtain.",
        "I miss the house where we grew up.",
        "Oh, I did not expect to see you here!",
        "The soup smells as if something died in it.",
        "My sister is coming home for the holidays!",
        "Add two eggs, a cup of flour and some salt.",
        "Why does nobody ever listen to me?",
        "The library closes early on Fridays.",
        "They told us the old dog would not get better.",
        "Look at the sky, have you ever seen such colours?",
        "Don't go down there, please, it isn't safe.",
        "The form has three pages, sign the last one.",
        "We laughed until the tears ran down our cheeks.",
        "Take your hands off my bicycle right now!",
        "The river is higher than it was last year.",
        "I should have called her when I still could.",
        "He eats with his fingers and wipes them on his shirt.",
        "Wait, you mean the whole thing was free?",
        "The second window from the right is mine.",
        "Thank you, this is the best present ever.",
    ),
    "zh": (
        "今天的天气真好，我们去公园走走吧。",
        "请把箱子放在蓝色的门旁边。",
        "我们等了一个小时，没有人来。",
        "你答应过我，再也不会这样了！",
        "火车七点半从北站出发。",
        "你听见楼梯下面的声音了吗？",
        "真不敢相信，我们赢了比赛！",
        "这盒牛奶已经放了三个星期。",
        "她今天早上没说再见就走了。",
        "过了桥往左转，然后沿着河走。",
        "收到你的来信，我高兴极了。",
        "别再对我大喊大叫了！",
        "会议改到星期四下午。",
        "窗帘后面好像有什么东西在动。",
        "我很想念小时候住过的房子。",
        "哎呀，没想到会在这里见到你！",
        "这碗汤闻起来太难闻了。",
        "妹妹要回家过春节了！",
        "加两个鸡蛋、一杯面粉和一点盐。",
        "为什么从来没有人听我说话？",
        "图书馆星期五提前关门。",
        "医生说那只老狗不会好起来了。",
        "快看天上，多么漂亮的颜色！",
        "别下去，求求你，那里不安全。",
        "这张表有三页，请在最后一页签名。",
        "我们笑得眼泪都流出来了。",
        "马上把手从我的车上拿开！",
        "今年的河水比去年高一些。",
        "我那时候应该给她打电话的。",
        "他用手抓饭，然后在衣服上擦。",
        "等一下，你是说全部免费吗？",
        "右边第二扇窗户是我的房间。",
        "谢谢你，这是最好的礼物。",
    ),
}
FLAC = frozenset({("en", 12), ("zh", 28)})  # the rest is MP3, as in Emilia


def main() -> None:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARD
    if shutil.which("espeak-ng") is None:
        sys.exit("espeak-ng is not installed: apt-get install espeak-ng")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(data), MTIME, 0o644
            tar.addfile(info, io.BytesIO(data))
    out.write_bytes(buffer.getvalue())
    print(f"{out}: {out.stat().st_size:,} bytes")


def members() -> Iterator[tuple[str, bytes]]:
    """Name and content of every member: the clips of both languages by turns, with the four bad entries among them."""
    bad = {5: _silence, 19: _not_audio, 37: _too_short, 52: _no_audio}
    spoken: Counter[tuple[str, int]] = Counter()
    pairs = [(language, i) for i in range(len(TEXTS["en"])) for language in ("en", "zh")]
    for place, (language, i) in enumerate(pairs):
        if place in bad:
            yield from bad[place]()
        speaker = i % len(VOICES[language])
        samples = speak(TEXTS[language][i], VOICES[language][speaker], style_of(language, i))
        key = make_emilia_id(language, 0, speaker, spoken[language, speaker])
        spoken[language, speaker] += 1
        suffix, audio = ("flac", flac(samples)) if (language, i) in FLAC else ("mp3", mp3(samples))
        yield f"{key}.{suffix}", audio
        yield f"{key}.json", metadata(key, language, TEXTS[language][i], len(samples), suffix)


def style_of(language: str, i: int) -> Style:
    """The style of a clip; Mandarin at the speed meant for English words would drag."""
    style = STYLES[i % len(STYLES)]
    return style if language == "en" else style._replace(words_per_minute=round(1.25 * style.words_per_minute))


def speak(text: str, voice: str, style: Style) -> np.ndarray:
    """(samples,) float32 at 24 kHz."""
    numbers = (("-s", style.words_per_minute), ("-p", style.pitch), ("-a", style.amplitude))
    command = ["espeak-ng", "-m", "--stdin", "--stdout", "-v", voice]
    command += [word for option, number in numbers for word in (option, str(number))]
    # The range of the pitch has no option of its own in every release, so it is given as markup (-m).
    marked = f'<prosody range="{style.pitch_range}">{html.escape(text)}</prosody>'
    spoken = subprocess.run(command, input=marked.encode(), capture_output=True, check=True).stdout
    samples, rate_hz = sf.read(io.BytesIO(spoken), dtype="float32")
    loud = np.flatnonzero(np.abs(samples) > 1e-3)
    # espeak-ng ends with a pause; a little of it is enough.
    samples = samples[: min(len(samples), loud[-1] + rate_hz // 8)]
    return np.asarray(soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ), dtype=np.float32)


def mp3(samples: np.ndarray) -> bytes:
    """32 kbit/s; libsndfile counts from 160 (0.0) down to 8 (1.0) at this sample rate."""
    return _encode(
        samples,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=(160 - 32) / (160 - 8),
    )


def flac(samples: np.ndarray) -> bytes:
    return _encode(samples, format="FLAC", subtype="PCM_16", compression_level=1.0)


def _encode(samples: np.ndarray, **how: object) -> bytes:
    buffer = io.BytesIO()
    sf.write(buffer, samples, SAMPLE_RATE_HZ, **how)  # type: ignore[arg-type]
    return buffer.getvalue()


def metadata(key: str, language: str, text: str, samples: int, suffix: str) -> bytes:
    """What Emilia writes beside a clip. There is no ``dnsmos``, because nobody measured it."""
    row = {
        "id": key,
        "wav": f"{key}.{suffix}",
        "text": f" {text}" if language == "en" else text,  # as in Emilia
        "duration": round(samples / SAMPLE_RATE_HZ, 3),
        "speaker": key.rsplit("_", 1)[0],
        "language": language,
        "license": "Apache-2.0",
    }
    return json.dumps(row, ensure_ascii=False).encode()


def _silence() -> Iterator[tuple[str, bytes]]:
    samples = np.zeros(2 * SAMPLE_RATE_HZ, np.float32)
    yield from _entry("en", 0, "Is anybody there?", mp3(samples), len(samples))


def _not_audio() -> Iterator[tuple[str, bytes]]:
    text = b"This is text, although it is named like audio.\n" * 40
    yield from _entry("zh", 1, "这不是声音。", text, 2 * SAMPLE_RATE_HZ)


def _too_short() -> Iterator[tuple[str, bytes]]:
    samples = speak("No.", VOICES["en"][0], STYLES[3])[: SAMPLE_RATE_HZ // 4]
    yield from _entry("en", 2, "No.", mp3(samples), len(samples))


def _no_audio() -> Iterator[tuple[str, bytes]]:
    yield from _entry("zh", 3, "这一条没有音频。", None, 2 * SAMPLE_RATE_HZ)


def _entry(language: str, number: int, text: str, audio: bytes | None, samples: int) -> Iterator[tuple[str, bytes]]:
    """A bad entry, under a speaker of its own."""
    key = make_emilia_id(language, 0, 90 + number, 0)
    if audio is not None:
        yield f"{key}.mp3", audio
    yield f"{key}.json", metadata(key, language, text, samples, "mp3")


if __name__ == "__main__":
    main()
