"""A providers file for the tests: four accounts at a simulator, fast schedules, generous rates."""

from pathlib import Path

_TEXT = """
[accounts.runware]
provider = "runware"
base_url = "{url}/runware/v1"
api_key = "key-runware"
status_rate = {rate}
status_burst = 50
submit_rate = {rate}
submit_burst = 50
submit_timeout_s = {submit_timeout_s}
max_in_flight = 100
[accounts.runware.models."google:3@3"]
{policy}
[accounts.runware.models."bytedance:50@1"]
{policy}
[accounts.runware.models."runware:101@1"]
{policy}

[accounts.vertex]
provider = "veo"
base_url = "{url}/vertex/v1/projects/p/locations/us-central1"
api_key = "key-vertex"
status_rate = {rate}
status_burst = {burst}
submit_rate = {rate}
submit_burst = 50
submit_timeout_s = {submit_timeout_s}
options = {{ dialect = "vertex", storage_uri = "gs://bucket/videos/" }}
[accounts.vertex.models."veo-fast"]
{policy}

[accounts.gemini]
provider = "veo"
base_url = "{url}/gemini/v1beta"
api_key = "key-gemini"
status_rate = {rate}
status_burst = 50
submit_rate = {rate}
submit_burst = 50
submit_timeout_s = {submit_timeout_s}
options = {{ dialect = "gemini" }}
[accounts.gemini.models."veo-preview"]
{policy}

[accounts.replicate]
provider = "replicate"
base_url = "{url}/replicate/v1"
api_key = "key-replicate"
status_rate = {rate}
status_burst = 50
submit_rate = {rate}
submit_burst = 50
submit_timeout_s = {submit_timeout_s}
[accounts.replicate.models."google/veo-3-fast"]
{policy}
"""

QUICK = "schedule = { tiers = [[1000, 0.2]], then_s = 1, jitter = 0 }"


def write(
    folder: Path, url: str, *, rate: float = 200, burst: int = 50, policy: str = QUICK, submit_timeout_s: float = 60
) -> Path:
    """Write it; its path."""
    path = folder / "providers.toml"
    path.write_text(_TEXT.format(url=url, rate=rate, burst=burst, policy=policy, submit_timeout_s=submit_timeout_s))
    return path
