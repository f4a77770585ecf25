"""DNSMOS P.835: how clean speech sounds, by the published ONNX network (Reddy et al. 2022).

The network is not shipped: give the path of ``sig_bak_ovr.onnx``. It hears 9.01 s at 16 kHz; a shorter clip is doubled until
it is long enough, a longer one is heard in windows one second apart and averaged, as the published script does.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from annotators.base import SAMPLE_RATE_HZ, Annotation, Annotator, Clip, Options, Rejection
from manifests.errors import ConfigError

WINDOW = int(9.01 * SAMPLE_RATE_HZ)
# Polynomials of the published script, which map the network's raw outputs to P.835 scores.
_FITS = {
    "dnsmos_sig": np.poly1d([-0.08397278, 1.22083953, 0.0052439]),
    "dnsmos_bak": np.poly1d([-0.13166888, 1.60915514, -0.39604546]),
    "dnsmos_ovrl": np.poly1d([-0.06766283, 1.11546468, 0.04602535]),
}


class DnsmosOptions(Options):
    """``model`` is the path of the ONNX file; ``min_ovrl`` rejects what sounds worse (Emilia keeps 3.0 and above)."""

    model: Path
    min_ovrl: float | None = None


class Dnsmos(Annotator):
    """Signal, background and overall quality on the scale of 1 to 5."""

    name = "dnsmos"
    version = "p835"
    outputs = ("quality",)
    Options = DnsmosOptions
    options: DnsmosOptions

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(options)
        self._session: Any = None

    @classmethod
    def check(cls, options: Any) -> None:
        if not options.model.is_file():
            raise ConfigError(
                f"annotators.dnsmos.model: no such file: {options.model}. Give the path of sig_bak_ovr.onnx"
            )

    def load(self) -> None:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1  # a process has one core of its own
        self._session = onnxruntime.InferenceSession(str(self.options.model), settings, ["CPUExecutionProvider"])

    def annotate(self, clips: list[Clip]) -> list[Annotation]:
        return [self._one(clip.samples) for clip in clips]

    def _one(self, samples: np.ndarray) -> Annotation:
        if not len(samples):
            raise ValueError("the clip has no samples")
        while len(samples) < WINDOW:
            samples = np.concatenate([samples, samples])
        # The published script counts whole seconds, so the last second of a long clip may not be heard.
        windows = int(len(samples) // SAMPLE_RATE_HZ - WINDOW / SAMPLE_RATE_HZ) + 1
        starts = [second * SAMPLE_RATE_HZ for second in range(windows)]
        name = self._session.get_inputs()[0].name
        raw = np.array([self._session.run(None, {name: samples[None, s : s + WINDOW]})[0][0] for s in starts])
        scores = {key: float(np.mean(fit(raw[:, i]))) for i, (key, fit) in enumerate(_FITS.items())}
        rejection = None
        if self.options.min_ovrl is not None and scores["dnsmos_ovrl"] < self.options.min_ovrl:
            rejection = Rejection("low_dnsmos", scores["dnsmos_ovrl"])
        return Annotation({"quality": scores}, rejection)
