"""Emotion2Vec-S against FunASR's emotion2vec at full size: the same random weights, the same clips, in turns.

Timed: waveforms in memory to utterance embedding, frames and scores. Decoding is not, nor is loading. FunASR runs its own loop
(``Emotion2vec.inference``: clip by clip, float32). Ours runs batches of similar length: float32, bfloat16, and on a CPU int8 (the
linear layers by torch's dynamic quantization). The head is fitted to the emotions of the clips on FunASR's embeddings, so that votes
differ from clip to clip.

Printed: times real time (medians over the turns), the ratio to FunASR, deviations from it, and the share of the measured rate of
matrix products, where the operations are counted by torch on FunASR's network and the rate is the best of several shapes and ways.

    python -m benchmarks.emotion2vec_s TAR --truth TRUTH.jsonl [--clips 240] [--device cuda]

With ``--device cuda`` the same on a GPU, in hours of audio an hour; FunASR runs there too.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from model.emotion2vec_s import Emotion2VecS, Emotion2VecSConfig
from model.emotion2vec_s.batches import padded
from model.emotion2vec_s.products import linear
from model.length_batches import length_batches
from model.speech import load_waveform, read_speech
from tests.annotators.funasr_emotion2vec import model_conf

RATE = 16_000


@dataclass(frozen=True, slots=True)
class Heard:
    """What a network says of each clip: the mean frame, the frames of some, and the vote."""

    embeddings: np.ndarray  # (clips, D)
    votes: np.ndarray  # (clips,)


def funasr(labels: Sequence[str]) -> Any:
    """FunASR's network at the size of emotion2vec base, with its own random weights."""
    from funasr.models.emotion2vec.model import Emotion2vec

    conf = model_conf(12, 768)
    conf["depth"] = conf["average_top_k_layers"] = 8
    conf["modalities"]["audio"] |= {
        "prenet_depth": 4,
        "model_depth": 8,
        "feature_encoder_spec": "[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512,2,2)] + [(512,2,2)]",
    }
    torch.manual_seed(0)
    return Emotion2vec(model_conf=conf, vocab_size=len(labels)).eval()


def ours(peer: Any, labels: Sequence[str]) -> Emotion2VecS:
    model = Emotion2VecS(Emotion2VecSConfig(normalize=True, labels=labels)).eval()
    names = {"proj.weight": "head.0.weight", "proj.bias": "head.0.bias"}
    model.load_state_dict({names.get(name, name): value for name, value in peer.state_dict().items()})
    return model


def hear_with_funasr(peer: Any, clips: Sequence[Tensor], labels: Sequence[str], device: str) -> Heard:
    results, _ = peer.inference(
        list(clips),
        key=[str(i) for i in range(len(clips))],
        tokenizer=SimpleNamespace(token_list=list(labels)),
        device=device,
    )
    return Heard(
        np.stack([row["feats"] for row in results]), np.array([int(np.argmax(row["scores"])) for row in results])
    )


def hear_with_ours(model: Emotion2VecS, clips: Sequence[np.ndarray], device: str, batch_s: float) -> Heard:
    embeddings = torch.zeros(len(clips), model.config.hidden_size)
    votes = torch.zeros(len(clips), dtype=torch.int64)
    waiting = []
    for batch in length_batches([len(clip) / RATE for clip in clips], batch_s):
        waveforms, lengths = padded([clips[i] for i in batch])
        heard = model(waveforms.to(device), lengths.to(device))
        waiting.append((batch, heard.utterance("mean"), heard.logits))
    for batch, mean, logits in waiting:  # a GPU works on while the next batch is padded
        embeddings[batch], votes[batch] = mean.float().cpu(), logits.argmax(-1).cpu()
    return Heard(embeddings.numpy(), votes.numpy())


def worst_frame(peer: Any, model: Emotion2VecS, clips: Sequence[np.ndarray], device: str) -> float:
    """The largest deviation of a frame, in batches of similar length."""
    worst = 0.0
    for batch in length_batches([len(clip) / RATE for clip in clips], 60.0):
        waveforms, lengths = padded([clips[i] for i in batch])
        found = model(waveforms.to(device), lengths.to(device))
        for at, i in enumerate(batch):
            clip = torch.from_numpy(clips[i]).to(device)
            theirs = peer.extract_features(F.layer_norm(clip, clip.shape)[None])["x"][0]
            worst = max(worst, float((found.frames[at, : len(theirs)].float() - theirs).abs().max()))
    return worst


def matrix_rate(device: str, dtype: torch.dtype) -> float:
    """Operations a second: the best of several shapes and of the ways to multiply."""
    best = 0.0
    for rows, inner, width in ((1024, 768, 3072), (1024, 3072, 768), (4096, 768, 2304), (8192, 768, 3072)):
        x = torch.randn(rows, inner, dtype=dtype, device=device)
        w = torch.randn(width, inner, dtype=dtype, device=device)
        for way in (F.linear, linear):
            best = max(best, 2 * rows * inner * width / fastest(lambda: way(x, w, None), device))  # noqa: B023
    return best


def fastest(work: Callable[[], object], device: str, times: int = 12) -> float:
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        if device != "cpu":
            torch.cuda.synchronize()
        found.append(time.perf_counter() - begin)
    return min(found)


def int8(model: Emotion2VecS) -> Emotion2VecS:
    """The linear layers of the blocks with int8 weights, and activations that are quantized as they come."""
    copy = Emotion2VecS(model.config).eval()
    copy.load_state_dict(model.state_dict())
    # torch quantizes its own class only.
    for block in [*copy.audio.context_encoder.blocks, *copy.blocks]:
        for parent, name in ((block.attn, "qkv"), (block.attn, "proj"), (block.mlp, "fc1"), (block.mlp, "fc2")):  # type: ignore[union-attr]
            layer = getattr(parent, name)
            plain = nn.Linear(layer.in_features, layer.out_features)
            plain.load_state_dict(layer.state_dict())
            setattr(parent, name, plain)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(copy, {nn.Linear}, dtype=torch.qint8)  # type: ignore[no-any-return]


@torch.inference_mode()
def run(arguments: argparse.Namespace) -> None:
    device = arguments.device
    speech = read_speech([str(tar) for tar in arguments.tars], arguments.truth)
    chosen = [clip for clip in speech.clips if clip.emotion is not None][: arguments.clips]
    clips = [load_waveform(clip) for clip in chosen]
    audio_s = sum(map(len, clips)) / RATE
    labels = sorted({str(clip.emotion) for clip in chosen})
    peer = funasr(labels)
    tensors = [torch.from_numpy(clip) for clip in clips]
    peer.to(device)
    embeddings = hear_with_funasr(peer, tensors, labels, device).embeddings
    head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    head.fit(embeddings, [str(clip.emotion) for clip in chosen])
    scale, regression = head[0], head[1]
    weight = regression.coef_ / scale.scale_
    peer.proj.weight.copy_(torch.from_numpy(weight))
    peer.proj.bias.copy_(torch.from_numpy(regression.intercept_ - weight @ scale.mean_))
    single = ours(peer.cpu(), labels).to(device)
    peer.to(device)
    half = ours(peer.cpu(), labels).to(device, torch.bfloat16)
    peer.to(device)
    arms: dict[str, Callable[[], Heard]] = {
        "FunASR float32": lambda: hear_with_funasr(peer, tensors, labels, device),
        "ours float32": lambda: hear_with_ours(single, clips, device, arguments.batch_s),
        "ours bfloat16": lambda: hear_with_ours(half, clips, device, arguments.batch_s),
    }
    if device == "cpu":
        small = int8(single)
        arms["ours int8"] = lambda: hear_with_ours(small, clips, device, arguments.batch_s)
    with FlopCounterMode(display=False) as counter:
        for clip in tensors[:8]:
            peer.extract_features(F.layer_norm(clip, clip.shape)[None].to(device))
    operations = counter.get_total_flops() / (sum(map(len, tensors[:8])) / RATE)
    print(f"{len(clips)} clips, {audio_s:.0f} s of audio, {operations / 1e9:.1f} GFLOP a second of audio")
    times: dict[str, list[float]] = {name: [] for name in arms}
    heard = {name: arm() for name, arm in arms.items()}  # warms up
    for turn in range(arguments.times):
        for name, arm in arms.items():
            begin = time.perf_counter()
            arm()  # its results come back to the CPU, so a GPU has ended
            times[name].append(time.perf_counter() - begin)
        print(f"turn {turn + 1}: " + ", ".join(f"{name} {audio_s / spent[-1]:.1f} x" for name, spent in times.items()))
    reference, peer_s = heard["FunASR float32"], statistics.median(times["FunASR float32"])
    rates = {"float32": matrix_rate(device, torch.float32), "bfloat16": matrix_rate(device, torch.bfloat16)}
    print(", ".join(f"{name} products: {rate / 1e9:,.0f} GFLOP/s" for name, rate in rates.items()))
    for name, spent_s in times.items():
        median_s, found = statistics.median(spent_s), heard[name]
        rate = rates.get(name.split()[-1])
        print(
            f"{name}: {audio_s / median_s:.1f} x real time, {peer_s / median_s:.2f} x FunASR"
            + (f", {audio_s / median_s * operations / rate:.2f} of the matrix rate" if rate else "")
            + f"; embeddings within {np.abs(found.embeddings - reference.embeddings).max():.1e},"
            f" {np.mean(found.votes == reference.votes):.2%} same votes"
        )
    print(
        f"votes of FunASR: {dict(zip(labels, np.bincount(reference.votes, minlength=len(labels)).tolist(), strict=True))}"
    )
    print(f"worst frame of ours in float32: {worst_frame(peer, single, clips[:64], device):.1e} (target 1e-4)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tars", nargs="+", type=Path, help="shards of real clips")
    parser.add_argument("--truth", type=Path, required=True, help="JSONL with id and emotion")
    parser.add_argument("--clips", type=int, default=240)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--batch-s", type=float, default=60.0, help="seconds of audio in a batch")
    parser.add_argument("--device", default="cpu")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
