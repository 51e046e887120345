"""What a timeline does not show."""
