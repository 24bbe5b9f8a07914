"""Is the world still the one the champion was trained on, and is the champion still as good as it was?

Frames in, results out: nothing here reads a source or writes state. Only :mod:`.evidently_report` is slow to import.
"""
