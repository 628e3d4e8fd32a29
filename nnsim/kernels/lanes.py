"""How long sums are added, on every device: number i goes to lane i mod 128, and the lanes are added by halves."""

LANES = 128
