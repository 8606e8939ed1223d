"""One module a lock format: ``read(data, path)`` makes a :class:`~envdoctor.lock.model.Lock` of bytes, or raises LockError."""
