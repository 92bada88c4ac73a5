"""Predictions to tables and figures."""
