"""Copies of results, since providers keep theirs for an hour to a month. Knows no row, no lane and no provider.

``media.py`` what a file is · ``names.py`` what its copy is called · ``fetching.py`` from where it comes ·
``storing.py`` where it goes · ``copying.py`` from one to the other · ``outcomes.py`` what that ends in. Who asks for
it, and notes what came of it, is ``vidpoll/archiving.py``.
"""

from vidpoll.archive.copying import copy
from vidpoll.archive.names import file_id, name_of
from vidpoll.archive.storing import Archive, ArchiveLimits, StorageFailed

__all__ = ["Archive", "ArchiveLimits", "StorageFailed", "copy", "file_id", "name_of"]
