"""The feature columns."""
