"""What goes wrong at the simulated vendors, and how often."""

import math
from dataclasses import dataclass, fields
from typing import Any, Final

#: Forms in which calls that are left can be told.
QUOTAS: Final = ("ratelimit", "ratelimit-3", "x-ratelimit")


@dataclass
class Faults:
    """Probabilities, 0 to 1 each unless said otherwise, of what goes wrong with a call or becomes of a job.

    The verb a fault strikes opens its name; looking up and cancelling are counted as ``status`` calls.
    """

    submit_429: float = 0.0
    submit_500: float = 0.0
    submit_cut_before: float = 0.0
    """The connection is cut before the job is taken."""
    submit_cut_after: float = 0.0
    """The job is taken (and charged), then the connection is cut: no answer."""
    submit_500_after: float = 0.0
    """The job is taken, then comes a 500 without its id."""
    submit_reset_mid_body: float = 0.0
    """The job is taken; the connection is reset after the headers and half of the body."""
    submit_delay_s: float = 0.0
    """Seconds between taking a job and the answer; not a probability."""
    status_429: float = 0.0
    status_500: float = 0.0
    status_cut: float = 0.0
    status_html: float = 0.0
    """502 with a gateway's HTML."""
    status_html_200: float = 0.0
    status_empty: float = 0.0
    """200 without a body."""
    status_truncated: float = 0.0
    """The connection is closed after half of what ``Content-Length`` says."""
    status_huge: float = 0.0
    """200 with 50 MB of JSON."""
    status_bomb: float = 0.0
    """200 with a gzipped body that unpacks to more than 200 MB."""
    status_drip: float = 0.0
    """The body comes a byte a second, for two minutes at most."""
    status_drip_headers: float = 0.0
    """The same from the first byte of the headers on."""
    status_unauthorized: float = 0.0
    status_not_found: float = 0.0
    status_unknown_word: float = 0.0
    """The status field holds a word nobody knows; of Veo, which has none, ``name`` and ``done`` are missing."""
    status_no_url: float = 0.0
    """A job that is done is told as a success without any URL."""
    status_backwards: float = 0.0
    """A job is told as if it had just begun, however far it is."""
    not_found_first: int = 0
    """Each job is unknown to its first so many looks; a number, not a probability."""
    lookup_500: float = 0.0
    """Of the calls that ask whether a submit was taken."""
    cancel_500: float = 0.0
    cancel_refused: float = 0.0
    cancel_ignored: float = 0.0
    """A cancel is answered as if it were under way, and the job goes on."""
    job_lost: float = 0.0
    """The job is taken and charged, and never known again."""
    job_failed: float = 0.0
    job_filtered: float = 0.0
    poison: str = ""
    """A job fails if this text stands in its request, of vendors that give the request back; empty for none."""
    job_partial: float = 0.0
    """Of several results asked for, the last one is filtered."""
    files_live_s: float = 0.0
    """Seconds after which the URL of a file is refused with 403; a later look tells another. 0: it does not end."""
    files_bytes: int = 0
    """Every file is a video of its own, so many bytes long or longer; 0: all are the same sample."""
    files_bytes_per_s: float = 0.0
    """How quickly a file is sent; 0: as quickly as can be."""
    files_without_ranges: float = 0.0
    """A request for a part of a file is answered with all of it."""
    file_cut: float = 0.0
    """The connection is closed in the middle of a file."""
    file_overstated: float = 0.0
    """``Content-Length`` says more than there is, and the connection is closed where it ends."""
    file_html: float = 0.0
    """200 with a page that says to try again."""
    file_json: float = 0.0
    """200 with JSON that says to try again."""
    file_500: float = 0.0
    file_huge: float = 0.0
    """50 MB of a file come, and no length is told before."""
    hook_lost: float = 0.0
    """A webhook is never sent."""
    hook_twice: float = 0.0
    """A webhook is sent once more, a moment later."""
    hook_late_s: float = 0.0
    """Seconds by which webhooks are sent later; not a probability."""
    hook_shuffle_s: float = 0.0
    """Seconds by which each is sent later at most, drawn anew, so that they overtake one another; not a probability."""
    hook_forged: float = 0.0
    """A webhook is changed after it was signed."""
    hook_aged: float = 0.0
    """A webhook was signed a quarter of an hour ago."""
    delay_s: float = 0.0
    """Seconds added to every call over HTTP; not a probability."""
    retry_after: str = "1"
    """What a 429 says in its ``Retry-After`` header (Replicate: in its text); empty for nothing."""
    quota: str = ""
    """Every answer tells how many calls are left, as gateways do, in this form of ``QUOTAS``; empty for not at all."""

    def change(self, changes: dict[str, Any]) -> None:
        """Set some of them; ValueError names a wrong one."""
        known: dict[str, Any] = {one.name: one.type for one in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"no fault {name!r}; there are {', '.join(known)}")
            if name == "quota" and value not in ("", *QUOTAS):
                raise ValueError(f"quota: must be empty or one of {', '.join(QUOTAS)}, not {value!r}")
            if known[name] is str:
                setattr(self, name, str(value))
            elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise ValueError(f"{name}: must be a number from 0 up, not {value!r}")
            elif known[name] is int and value != int(value):
                raise ValueError(f"{name}: must be a whole number, not {value!r}")
            else:
                setattr(self, name, known[name](value))
