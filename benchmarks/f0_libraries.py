"""Compare F0 libraries with Praat on real clips: speed on one core, and agreement.

What the labelling job needs of F0 is two numbers per clip, the mean and the standard deviation over its voiced frames,
and the words cut from them. So besides the usual frame measures the table has the agreement of exactly these.

    python benchmarks/f0_libraries.py EN-B000000.tar EN-B000001.tar --limit 300
    python benchmarks/f0_libraries.py EN-*.tar --audio more/*.flac --only Praat swift
    python benchmarks/f0_libraries.py EN-*.tar --limit 120 --known-f0 --snr-db 10

Praat is a yardstick, not the truth. With `--known-f0` each clip is spoken again by the WORLD vocoder, which was told
the F0 of every frame, and all candidates are held against that; `--snr-db` adds white noise to what the candidates
hear. The contour itself comes from WORLD's dio, so in that table the dio rows are judged by their own habits.

Timed: from samples in memory to the F0 track, in CPU seconds summed over threads, after one warm-up clip. Decoding and
resampling are not timed. Praat's autocorrelation method is timed in the same run, so that ratios can be carried to
other machines. Praat is GPL-3: it belongs on a benchmark machine, not in the product.

Packages that are not installed are listed with the command that installs them, and left out of the table.
"""

import argparse
import importlib
import io
import sys
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE_HZ = 16000
FLOOR_HZ, CEILING_HZ = 65.0, 600.0
GROSS_CENTS = 1200 * np.log2(1.2)

Track = tuple[np.ndarray, np.ndarray]
"""Frame times in seconds and F0 in Hz, 0 where unvoiced; both (frames,) float64."""
Tracker = Callable[[np.ndarray], Track]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to get an F0 track: `build` imports the package and returns the function that is timed."""

    name: str
    module: str
    install: str
    licence: str
    build: Callable[[], Tracker]


def praat(method: str = "ac") -> Tracker:
    import parselmouth

    def track(samples: np.ndarray) -> Track:
        sound = parselmouth.Sound(samples.astype(np.float64), sampling_frequency=RATE_HZ)
        call = sound.to_pitch_ac if method == "ac" else sound.to_pitch_cc
        pitch = call(time_step=0.01, pitch_floor=FLOOR_HZ, pitch_ceiling=CEILING_HZ)
        return pitch.xs(), pitch.selected_array["frequency"]

    return track


def swift() -> Tracker:
    import swift_f0

    detector = swift_f0.SwiftF0(threads=1)

    def track(samples: np.ndarray) -> Track:
        found = detector.detect(samples, RATE_HZ, FLOOR_HZ, CEILING_HZ)
        return found.timestamps, np.where(found.confidence >= 0.5, found.pitch_hz, 0.0)

    return track


def world(method: str, period_ms: float = 10.0, refine: bool = True) -> Tracker:
    import pyworld

    def track(samples: np.ndarray) -> Track:
        signal = samples.astype(np.float64)
        f0, times = getattr(pyworld, method)(signal, RATE_HZ, FLOOR_HZ, CEILING_HZ, frame_period=period_ms)
        return times, pyworld.stonemask(signal, f0, times, RATE_HZ) if refine else f0

    return track


def librosa_pyin() -> Tracker:
    import librosa

    def track(samples: np.ndarray) -> Track:
        f0, voiced, _ = librosa.pyin(
            samples, fmin=FLOOR_HZ, fmax=CEILING_HZ, sr=RATE_HZ, frame_length=1024, hop_length=160
        )
        return np.arange(len(f0)) * 0.01, np.where(voiced, f0, 0.0)

    return track


def librosa_yin() -> Tracker:
    import librosa

    def track(samples: np.ndarray) -> Track:
        f0 = librosa.yin(samples, fmin=FLOOR_HZ, fmax=CEILING_HZ, sr=RATE_HZ, frame_length=1024, hop_length=160)
        # yin decides no voicing; level is the only cue at hand. This row shows what that costs.
        rms = librosa.feature.rms(y=samples, frame_length=1024, hop_length=160)[0, : len(f0)]
        return np.arange(len(f0)) * 0.01, np.where(rms > 0.1 * rms.max(), f0, 0.0)

    return track


def yaapt() -> Tracker:
    from amfm_decompy import basic_tools, pYAAPT

    def track(samples: np.ndarray) -> Track:
        signal = basic_tools.SignalObj(samples.astype(np.float64), RATE_HZ)
        pitch = pYAAPT.yaapt(signal, f0_min=FLOOR_HZ, f0_max=CEILING_HZ, frame_space=10.0)
        return np.asarray(pitch.frames_pos) / RATE_HZ, np.asarray(pitch.samp_values)

    return track


def swipe() -> Tracker:
    import libf0

    def track(samples: np.ndarray) -> Track:
        f0, times, strength = libf0.swipe(
            samples.astype(np.float64), Fs=RATE_HZ, H=160, F_min=FLOOR_HZ, F_max=CEILING_HZ, strength_threshold=0.3
        )
        return times, np.where(strength > 0.3, f0, 0.0)

    return track


def pesto() -> Tracker:
    import pesto as package
    import torch

    torch.set_num_threads(1)
    model = package.load_model("mir-1k_g7", step_size=10.0, sampling_rate=RATE_HZ).eval()

    def track(samples: np.ndarray) -> Track:
        with torch.inference_mode():
            f0, confidence, *_ = model(torch.from_numpy(samples)[None], convert_to_freq=True, return_activations=False)
        f0, confidence = f0[0].numpy().astype(np.float64), confidence[0].numpy()
        voiced = (confidence >= 0.5) & (f0 >= FLOOR_HZ) & (f0 <= CEILING_HZ)
        return np.arange(len(f0)) * 0.01, np.where(voiced, f0, 0.0)

    return track


def ours() -> Tracker:
    # A script's own folder is on the path, the folder it was started from is not.
    sys.path.append(str(Path(__file__).parents[1]))
    from annotators.f0 import HOP_S, f0

    def track(samples: np.ndarray) -> Track:
        found = f0(samples)
        return np.arange(len(found)) * HOP_S, found

    return track


PIP = "python -m pip install "
CANDIDATES = (
    Candidate("Praat ac (10 ms)", "parselmouth", PIP + "praat-parselmouth", "GPL-3", praat),
    Candidate("Praat cc (10 ms)", "parselmouth", PIP + "praat-parselmouth", "GPL-3", lambda: praat("cc")),
    Candidate("emotrove: swift-f0 at one level (16 ms)", "swift_f0", PIP + "swift-f0", "MIT", ours),
    Candidate("swift-f0 (16 ms)", "swift_f0", PIP + "swift-f0", "MIT", swift),
    Candidate("WORLD dio+stonemask (10 ms)", "pyworld", PIP + "pyworld", "MIT", lambda: world("dio")),
    Candidate("WORLD dio+stonemask (20 ms)", "pyworld", PIP + "pyworld", "MIT", lambda: world("dio", 20.0)),
    Candidate("librosa yin + level (10 ms)", "librosa", PIP + "librosa", "ISC", librosa_yin),
    Candidate("pesto mir-1k_g7 (10 ms)", "pesto", PIP + "pesto-pitch", "LGPL-3", pesto),
    Candidate("pYAAPT (10 ms)", "amfm_decompy", PIP + "AMFM_decompy", "MIT", yaapt),
    Candidate("libf0 swipe (10 ms)", "libf0", PIP + "libf0", "MIT", swipe),
    Candidate("librosa pyin (10 ms)", "librosa", PIP + "librosa", "ISC", librosa_pyin),
    Candidate("WORLD harvest (10 ms)", "pyworld", PIP + "pyworld", "MIT", lambda: world("harvest", refine=False)),
)
HEADER = (
    "library",
    "licence",
    "x real time",
    "voicing error %",
    "gross error %",
    "median cents",
    "mean Hz: r / abs diff",
    "std Hz: r / abs diff",
    "mean st: r / abs diff",
    "std st: r / abs diff",
    "same word % Hz: mean / std",
    "same word % st: mean / std",
    "clips lost",
)


def encoded_clips(tars: list[Path], audio: list[Path]) -> Iterator[bytes]:
    for path in tars:
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith((".mp3", ".flac", ".wav", ".ogg")):
                    yield tar.extractfile(member).read()
    for path in audio:
        yield path.read_bytes()


def decode(data: bytes) -> np.ndarray:
    """(samples,) int16 at 16 kHz mono, the form in which the job hands audio to its annotators."""
    wav, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    wav = soxr.resample(wav.mean(axis=1), rate, RATE_HZ)
    return np.round(np.clip(wav * 32768, -32768, 32767)).astype(np.int16)


def resynthesised(clips: list[np.ndarray]) -> tuple[list[np.ndarray], list[Track]]:
    """The clips spoken again by a vocoder, and the F0 it was told to speak, every 10 ms."""
    import pyworld

    spoken, truth = [], []
    for clip in clips:
        signal = clip / 32768.0
        f0, times = pyworld.dio(signal, RATE_HZ, FLOOR_HZ, CEILING_HZ, frame_period=5.0)
        f0 = pyworld.stonemask(signal, f0, times, RATE_HZ)
        f0[(f0 < FLOOR_HZ) | (f0 > CEILING_HZ)] = 0.0
        envelope = pyworld.cheaptrick(signal, f0, times, RATE_HZ)
        aperiodicity = pyworld.d4c(signal, f0, times, RATE_HZ)
        out = pyworld.synthesize(f0, envelope, aperiodicity, RATE_HZ, 5.0)
        spoken.append(np.round(out / max(1.0, np.abs(out).max()) * 32767).astype(np.int16))
        truth.append((times[::2], f0[::2]))
    return spoken, truth


def noisy(clips: list[np.ndarray], snr_db: float) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    out = []
    for clip in clips:
        level = np.sqrt(np.mean(clip.astype(np.float64) ** 2)) * 10 ** (-snr_db / 20)
        out.append(np.clip(clip + level * rng.standard_normal(len(clip)), -32768, 32767).astype(np.int16))
    return out


def tracks(tracker: Tracker, clips: list[np.ndarray]) -> tuple[list[Track], float]:
    """All tracks and the CPU seconds they took."""
    tracker(clips[0].astype(np.float32) / 32768)
    found, spent = [], 0.0
    for clip in clips:
        samples = clip.astype(np.float32) / 32768
        started = time.process_time()
        found.append(tracker(samples))
        spent += time.process_time() - started
    return found, spent


def clip_statistics(found: list[Track]) -> np.ndarray:
    """(clips, 4): mean F0 in Hz, its std in Hz, mean in semitones re 1 Hz, std in semitones; NaN without voice."""
    rows = np.full((len(found), 4), np.nan)
    for row, (_, f0) in zip(rows, found, strict=True):
        voiced = f0[f0 > 0]
        if len(voiced):
            semitones = 12 * np.log2(voiced)
            row[:] = voiced.mean(), voiced.std(), semitones.mean(), semitones.std()
    return rows


def frame_agreement(reference: list[Track], found: list[Track]) -> tuple[float, float, float]:
    """Share of frames with another voicing decision; share of gross errors and median cents where both are voiced.

    The track is read at the reference's frame times, from its nearest frame.
    """
    voicing, frames, cents = 0, 0, []
    for (times, f0), (other_times, other_f0) in zip(reference, found, strict=True):
        if len(other_times) == 0 or len(times) == 0:
            continue
        edges = (other_times[1:] + other_times[:-1]) / 2
        other = other_f0[np.searchsorted(edges, times)]
        voicing += int(((f0 > 0) != (other > 0)).sum())
        frames += len(f0)
        both = (f0 > 0) & (other > 0)
        cents.append(np.abs(1200 * np.log2(other[both] / f0[both])))
    all_cents = np.concatenate(cents)
    return voicing / frames, float((all_cents > GROSS_CENTS).mean()), float(np.median(all_cents))


def words(values: np.ndarray) -> np.ndarray:
    """-1, 0, 1 for low, medium, high: cut at the mean plus and minus one standard deviation over all clips."""
    return np.sign(np.trunc((values - np.nanmean(values)) / np.nanstd(values)))


def row(name: str, licence: str, speed: float, reference: list[Track], found: list[Track]) -> str:
    voicing, gross, cents = frame_agreement(reference, found)
    ours, praats = clip_statistics(found), clip_statistics(reference)
    both = ~np.isnan(ours[:, 0]) & ~np.isnan(praats[:, 0])
    lost = int((np.isnan(ours[:, 0]) & ~np.isnan(praats[:, 0])).sum())
    ours, praats = ours[both], praats[both]
    r = [np.corrcoef(ours[:, i], praats[:, i])[0, 1] for i in range(4)]
    off = np.abs(ours - praats).mean(axis=0)
    same = [(words(ours[:, i]) == words(praats[:, i])).mean() for i in range(4)]
    cells = (
        name,
        licence,
        f"{speed:.0f}",
        f"{100 * voicing:.1f}",
        f"{100 * gross:.1f}",
        f"{cents:.0f}",
        *(f"{r[i]:.3f} / {off[i]:.{1 if i < 2 else 2}f}" for i in range(4)),
        f"{100 * same[0]:.1f} / {100 * same[1]:.1f}",
        f"{100 * same[2]:.1f} / {100 * same[3]:.1f}",
        str(lost),
    )
    return table_line(cells)


def table_line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tars", nargs="+", type=Path, help="shards in Emilia's form")
    parser.add_argument("--audio", nargs="*", type=Path, default=[], help="further single files")
    parser.add_argument("--limit", type=int, help="take only so many clips, evenly spread")
    parser.add_argument("--only", nargs="*", default=[""], help="take only candidates whose name holds one of these")
    parser.add_argument("--known-f0", action="store_true", help="hold all against resynthesised speech of known F0")
    parser.add_argument("--snr-db", type=float, help="let the candidates hear white noise at this level below the clip")
    arguments = parser.parse_args()

    data = list(encoded_clips(arguments.tars, arguments.audio))
    if arguments.limit and arguments.limit < len(data):
        data = [data[i] for i in np.linspace(0, len(data) - 1, arguments.limit).astype(int)]
    clips = [decode(one) for one in data]
    audio_s = sum(map(len, clips)) / RATE_HZ
    try:
        clips, reference = resynthesised(clips) if arguments.known_f0 else (clips, tracks(praat(), clips)[0])
    except ModuleNotFoundError as error:
        sys.exit(f"The reference is missing ({error.name}). Install it with: {PIP}praat-parselmouth pyworld")
    if arguments.snr_db is not None:
        clips = noisy(clips, arguments.snr_db)

    judge = "F0 given to the vocoder" if arguments.known_f0 else "Praat ac"
    noise = "none" if arguments.snr_db is None else f"{arguments.snr_db:g} dB SNR"
    print(
        f"{len(clips)} clips, {audio_s / 60:.1f} min; judge: {judge}, {FLOOR_HZ:g}-{CEILING_HZ:g} Hz; noise: {noise}\n"
    )
    print(table_line(HEADER) + "\n" + "|---" * len(HEADER) + "|")
    for candidate in CANDIDATES:
        if not any(text in candidate.name for text in arguments.only):
            continue
        try:
            importlib.import_module(candidate.module)
        except ModuleNotFoundError as error:
            print(f"{candidate.name}: {error.name} is missing. Install with: {candidate.install}", file=sys.stderr)
            continue
        except (ImportError, OSError) as error:
            print(f"{candidate.name}: installed, but does not load here: {error}", file=sys.stderr)
            continue
        found, spent = tracks(candidate.build(), clips)
        print(row(candidate.name, candidate.licence, audio_s / spent, reference, found), flush=True)


if __name__ == "__main__":
    main()
