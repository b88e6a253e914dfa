"""The AWS profile's composition root: which adapter does what in a function."""
