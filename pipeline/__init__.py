"""Reading input, the labelling job on Ray, resume, export and the command line."""
