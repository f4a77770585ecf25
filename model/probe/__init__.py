"""What frozen features know of emotions: a small head on top of them, trained and tested on speakers it has not heard."""

from model.probe.cross_validation import ProbeResult, probe
from model.probe.features import extract, table_features
from model.probe.folds import speaker_folds

__all__ = ["ProbeResult", "extract", "probe", "speaker_folds", "table_features"]
