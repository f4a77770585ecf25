"""The report on agreement as one HTML page for the lead that needs nothing else."""

from review_ui.agreement_page.write import write_page

__all__ = ["write_page"]
