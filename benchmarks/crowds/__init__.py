"""What ``many.py`` measures: ``task`` is the work, ``<library>_crowds`` how libraries do it."""
