"""What is deployed on AWS: a zip for Lambda, or the folder that a container image is built from."""
