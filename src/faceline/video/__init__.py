"""Reading clips: `messages` is what a decoder says, `process` runs one under limits, `reader` is that program.

`faceline.videos` is what the rest of faceline uses.
"""
