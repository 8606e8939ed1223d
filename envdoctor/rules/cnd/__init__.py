"""CND: conda, mamba, micromamba, pixi."""
