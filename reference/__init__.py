"""What others read of the contracts and the settings, written from the code and the schemas: `scripts/docs`.

A test holds every page equal to what is written here, so that no page tells what the code does not.
"""
