"""feedrank's contract and client."""
