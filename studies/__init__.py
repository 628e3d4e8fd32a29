"""The studies that come with nnsim, one file each."""
