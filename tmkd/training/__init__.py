"""Training and scoring: a transformers.Trainer with a list of loss terms, resumable at any moment."""
