"""The native HTTP API under `/api/v1`: what the pages use, and programs may."""
