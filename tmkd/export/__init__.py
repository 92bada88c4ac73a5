"""Students as folders that other programs read; each folder is proven by those programs before it appears."""
