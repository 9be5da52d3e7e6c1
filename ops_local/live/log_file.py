"""The log of `ops up`: rotated by size, and never a reason for a stage to fail."""

import os
import threading
from pathlib import Path

MOST_BYTES = 20 * 2**20
# Beside the one that is written: pipeline.log.1 is the newest of them.
KEPT = 5


class RotatedLog:
    """A text stream into a file that starts anew when it is full.

    A line that cannot be written (the disk is full) is lost and counted: the guard must not
    fail because its log does.

    Args:
        most_bytes: Size after which the file is renamed; a line is never cut.
    """

    def __init__(self, file: Path, *, most_bytes: int = MOST_BYTES, kept: int = KEPT) -> None:
        self._file, self._most_bytes, self._kept = file, most_bytes, kept
        self._lock = threading.Lock()
        self._open()
        self.lost = 0

    def write(self, text: str) -> int:
        with self._lock:
            try:
                self._write(text.encode(errors="replace"))
            except OSError:
                self.lost += 1
        return len(text)

    def flush(self) -> None:
        """Nothing is buffered."""

    def close(self) -> None:
        with self._lock:
            self._stream.close()

    def _open(self) -> None:
        # Unbuffered: what a full disk refused must not be kept and refused again.
        self._stream = self._file.open("ab", buffering=0)
        self._size = os.fstat(self._stream.fileno()).st_size

    def _write(self, line: bytes) -> None:
        if self._stream.closed:
            self._open()
        self._size += self._stream.write(line)
        if self._size >= self._most_bytes and line.endswith(b"\n"):
            self._rotate()

    def _rotate(self) -> None:
        self._stream.close()
        for number in range(self._kept, 0, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        self._open()

    def _numbered(self, number: int) -> Path:
        return self._file.with_name(f"{self._file.name}.{number}") if number else self._file
