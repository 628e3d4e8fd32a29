"""How fast nnsim trains, beside other frameworks and beside what the machine could do at most."""
