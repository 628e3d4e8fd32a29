"""The studies that come with nnsim, a file or a folder each."""
