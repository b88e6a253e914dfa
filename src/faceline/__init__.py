"""faceline: photos in, people out."""

__version__ = "0.1.0"
