"""Generated from the contract, package feedrank.v1."""
