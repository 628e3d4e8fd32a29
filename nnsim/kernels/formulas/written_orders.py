"""Orders that a vector unit and a thread block both like, and that results therefore follow on every device.

A long sum goes to 128 lanes, number i to lane i mod 128, and the lanes are added by halves. Random words come in tiles
of 64 Philox blocks: word w of block b stands at place 64 w + b of its tile.
"""

LANES = 128
BLOCKS = 64
TILE_WORDS = 4 * BLOCKS
