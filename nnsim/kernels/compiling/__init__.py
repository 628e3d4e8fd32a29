"""How kernels are compiled, named and kept."""
