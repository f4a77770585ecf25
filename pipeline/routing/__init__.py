"""Which utterances of a run go to the experts, and why."""

from pipeline.routing.routing import REASONS, ArmCount, Routing, RoutingOptions, route

__all__ = ["REASONS", "ArmCount", "Routing", "RoutingOptions", "route"]
