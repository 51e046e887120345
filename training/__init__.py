"""From journal to bundle, and the numbers to believe it."""
