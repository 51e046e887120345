"""Generated from the journal's entries, package feedrank.journal.v1."""
