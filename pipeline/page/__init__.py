"""A run as one HTML page that needs nothing else: figures, plots, and a few clips to listen to."""

from pipeline.page.write import write_page

__all__ = ["write_page"]
