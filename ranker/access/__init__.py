"""Who may call: tokens with roles, TLS, rates, calls that can't be replayed, and a log of what was done."""
