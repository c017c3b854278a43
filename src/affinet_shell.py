"""The console's entry: a module outside affinet, so that it can tell why affinet is not imported.

``AFFINET_ISA`` may name a level that this processor cannot run, or the compiled module be missing:
affinet then refuses to be imported, and the shell says so in one line.
"""

import sys

REFUSED = 2  # the shell's exit code for what cannot be used


def main() -> int:
    """Run the shell; see :func:`affinet.cli.main`.

    Returns
    -------
    int
        The exit code: that of the shell, 2 if affinet cannot be imported.

    Examples
    --------
    >>> main.__module__  # what pyproject.toml's script "affinet" calls
    'affinet_shell'
    """
    try:
        from affinet.cli import main as shell
    except ImportError as error:
        print(f"affinet: error: {' '.join(str(error).split())}", file=sys.stderr)
        return REFUSED
    return shell()
