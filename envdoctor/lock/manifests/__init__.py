"""What projects declare, one module a kind of file: ``read(data, path) -> Manifest``. Pure."""
