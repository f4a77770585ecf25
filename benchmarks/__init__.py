"""Benchmarks: one command each, with the peer or the lower bound measured in the same run."""
