"""The command line: thin commands, each of which calls one function of the library."""
