"""Scoring emotions against known ones: those of a run, of an annotator, or of a probe on frozen features."""

from pipeline.evaluation.annotator import evaluate_annotator
from pipeline.evaluation.evaluation import Evaluation
from pipeline.evaluation.probe import evaluate_probe
from pipeline.evaluation.run import evaluate_run

__all__ = ["Evaluation", "evaluate_annotator", "evaluate_probe", "evaluate_run"]
