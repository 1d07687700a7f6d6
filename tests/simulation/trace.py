"""What happened, line by line: the end of it for people, a hash of all of it to compare two runs."""

import hashlib
from collections import deque
from typing import Final

#: Lines that are kept.
KEPT: Final = 4000


class Trace:
    """Everything that happened, in order."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.lines: deque[str] = deque(maxlen=KEPT)
        self.count = 0

    def note(self, now: float, *words: object) -> None:
        """One line."""
        line = f"{now:10.4f}  " + " ".join(map(str, words)).rstrip()
        self._hash.update(line.encode())
        self.lines.append(line)
        self.count += 1

    @property
    def digest(self) -> str:
        """Equal for two runs in which the same happened at the same moments."""
        return self._hash.hexdigest()

    def about(self, *words: str, last: int = 60) -> str:
        """The last lines that hold one of the words; all the last lines if none are given."""
        found = [line for line in self.lines if not words or any(word in line for word in words)]
        return "\n".join(found[-last:])
