"""The ground floor: compiled functions that take arrays, write arrays and trust their caller."""
