"""PIP: the state and settings of pip and uv."""
