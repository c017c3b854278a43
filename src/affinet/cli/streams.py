"""Standard output and error that never end a command: closed, encoded or odd streams."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


class SteadyStream:
    """A text stream in front of another one that may be missing, closed, or know few characters.

    Characters that the stream's encoding lacks are written as escapes such as ``\\xe9``. What a
    closed stream would refuse is lost. Errors of a device, such as a full disk, are raised if
    ``strict``, and lost otherwise.

    Examples
    --------
    >>> import io
    >>> ascii = io.TextIOWrapper(io.BytesIO(), "ascii")
    >>> print("caf\\xe9", file=SteadyStream(ascii, strict=True), flush=True)
    >>> ascii.buffer.getvalue()
    b'caf\\\\xe9\\n'
    """

    def __init__(self, stream: Any, strict: bool) -> None:
        self.stream = stream
        self.strict = strict

    def write(self, text: str) -> int:
        """Write ``text`` if the stream takes it."""
        with self.guarded():
            try:
                self.stream.write(text)
            except UnicodeEncodeError:
                encoding = getattr(self.stream, "encoding", None) or "ascii"
                self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """Flush the stream if it can."""
        with self.guarded():
            self.stream.flush()

    def isatty(self) -> bool:
        """True for a terminal."""
        try:
            return bool(self.stream.isatty())
        except (AttributeError, ValueError, OSError):
            return False

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Ignore what a missing or closed stream raises."""
        try:
            yield
        except OSError:
            if self.strict:
                raise
        except (AttributeError, ValueError):  # no stream, no such method, or a closed stream
            pass

    def silence(self) -> None:
        """Flush; point a stream that fails at nothing, or Python complains at exit."""
        try:
            self.stream.flush()
        except OSError:
            with suppress(OSError, ValueError, AttributeError):
                descriptor = self.stream.fileno()
                nothing = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nothing, descriptor)
                os.close(nothing)
        except (AttributeError, ValueError):
            pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def steady_streams() -> Iterator[tuple[SteadyStream, SteadyStream]]:
    """Put steady streams in place of standard output and error while a command runs."""
    before = sys.stdout, sys.stderr
    out, err = SteadyStream(before[0], strict=True), SteadyStream(before[1], strict=False)
    sys.stdout, sys.stderr = out, err
    try:
        yield out, err
    finally:
        sys.stdout, sys.stderr = before
