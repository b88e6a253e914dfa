"""The AWS profile's stores, each opened when first needed."""
