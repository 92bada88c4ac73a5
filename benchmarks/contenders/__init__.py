"""The same trainings with each project; peers are imported only when they run."""
