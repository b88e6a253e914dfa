"""The Amazon Rekognition face API over faceline's collections: `wire` speaks, `operations` means."""
