"""PKG: installed distributions."""
