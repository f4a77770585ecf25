"""The seed classifier: the small emotion network that ships inside the package."""

from model.seed.network import SeedClassifier, SeedConfig, load_seed, save_seed

__all__ = ["SeedClassifier", "SeedConfig", "load_seed", "save_seed"]
