"""Encoders, heads, and the pair classifier that both teachers and students are."""
