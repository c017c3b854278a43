"""The rows of kernel_table.py by topic; ``row`` holds the type of a row."""
