"""What people do with a trained student: score files, judge it on labelled pairs, search with it."""
