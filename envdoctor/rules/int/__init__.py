"""INT: the interpreter and the environment itself."""
