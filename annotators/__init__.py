"""One file per annotator: takes clips, gives labels, text and measures; knows nothing of Ray, files or runs."""
