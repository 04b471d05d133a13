"""`flowplan watch`: round after round, each an ordinary apply of a part of the ordinary plan."""
