"""Providers that cost nothing: an HTTP server that speaks the vendors' wire formats and keeps a ledger.

Written from the vendors' documents alone and without the adapters, so that one misreading cannot hide another.

========================================  ==============================================================
``POST /runware/v1``                      Runware
``POST /vertex/v1/…/models/M:…``          Veo on Vertex AI: ``predictLongRunning``, ``fetchPredictOperation``
``POST|GET /gemini/v1beta/…``             Veo on the Gemini API
``GET /_sim/report``                      the ledger: accepted, charged, duplicate_charges, calls, 429s
``GET /_sim/jobs``                        every job with its times and outcome
``POST /_sim/faults``                     probabilities of faults, see ``world.Faults``; answers all of them
``POST /_sim/durations``                  the distribution of durations, see ``world.Durations``
``POST /_sim/reset``                      forget everything
========================================  ==============================================================
"""

from vidpoll.simulator.server import Simulator, serve
from vidpoll.simulator.world import Durations, Faults, World

__all__ = ["Durations", "Faults", "Simulator", "World", "serve"]
