"""Scripts and commands of Slurm."""
