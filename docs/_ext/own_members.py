"""Leave out of a class's page what it inherits from other packages; they document it."""


def skip_foreign(app, what, name, obj, skip, options):
    """True for what affinet does not define, None otherwise, which leaves it to autodoc."""
    function = getattr(obj, "fget", obj)
    module = getattr(function, "__module__", None) or getattr(
        getattr(obj, "__objclass__", None), "__module__", None
    )
    return True if callable(function) and module and not module.startswith("affinet") else None


def setup(app):
    app.connect("autodoc-skip-member", skip_foreign)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
