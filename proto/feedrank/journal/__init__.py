"""feedrank's storage format."""
