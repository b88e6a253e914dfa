"""The handlers of AWS Lambda."""
