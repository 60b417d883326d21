"""The ground floor: errors, time and identifiers. It needs the standard library alone."""
