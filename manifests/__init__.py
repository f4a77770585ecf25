"""What emotrove writes down: rows, emotions, ids, run folders and releases."""

SCHEMA_VERSION = 1
"""Version of the label rows and of the run folder; a reader refuses a newer one."""
