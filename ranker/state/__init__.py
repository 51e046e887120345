"""The fold's result: plain columns."""
