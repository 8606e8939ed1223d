"""ARC: architecture and platform, by file headers and wheel tags."""
