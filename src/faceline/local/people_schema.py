"""How people and labels are found in `gallery.sqlite`: steps of `local.gallery.GALLERY`."""

# No index holds a name in other letters than its own: what an erasure looks for in the file is the name as it is.
PEOPLE_BY_NAME = "CREATE INDEX people_by_name ON people (collection, name COLLATE NOCASE, name);"

# Only of faces that are nobody's: where everybody is a person there is nothing to walk through.
LABELS_OF_NOBODY = """CREATE INDEX labels_of_nobody ON faces (collection, external_image_id, position)
                      WHERE person IS NULL AND external_image_id IS NOT NULL;"""
