"""The service: journal, fold, state, pipeline, server."""
