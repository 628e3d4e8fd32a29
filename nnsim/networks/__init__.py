"""What a network is: its layers, activations and first parameters."""
