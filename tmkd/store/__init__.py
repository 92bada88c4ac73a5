"""Results on disk: how they are called, written whole, found again and read."""
