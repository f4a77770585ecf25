"""Writing data sets for others: what exports of machine labels and releases of verified data have in common, and the latter."""
