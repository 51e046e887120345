"""Public data sets as feedrank's own rows."""
