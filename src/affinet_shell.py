"""The console's entry: a module outside affinet, so that it can report why affinet fails to import.

If ``AFFINET_ISA`` names a level that this processor cannot run, or the compiled module is missing,
affinet refuses to be imported, and the shell reports that in one line.
"""

import sys

REFUSED = 2  # the shell's exit code for arguments or files that cannot be used


def main() -> int:
    """Run the shell; see :func:`affinet.cli.main`.

    Returns
    -------
    int
        The shell's exit code; 2 if affinet cannot be imported.

    Examples
    --------
    >>> main.__module__  # the entry of the script "affinet" in pyproject.toml
    'affinet_shell'
    """
    try:
        from affinet.cli import main as shell
    except ImportError as error:
        if sys.stderr is not None:  # closed before the start
            print(f"affinet: error: {' '.join(str(error).split())}", file=sys.stderr)
        return REFUSED
    return shell()
