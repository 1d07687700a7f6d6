"""Providers that cost nothing: an HTTP server that speaks the vendors' wire formats and keeps a ledger.

Written from the vendors' documents alone and without the adapters, so that one misreading cannot hide another.

========================================  ==============================================================
``POST|GET /replicate/v1/…``              Replicate
``POST /runware/v1``                      Runware
``POST /vertex/v1/…/models/M:…``          Veo on Vertex AI: ``predictLongRunning``, ``fetchPredictOperation``;
                                          under ``/vertex/v1beta1`` too
``POST|GET /gemini/v1beta/…``             Veo on the Gemini API
``GET|HEAD /files/…``                     the video of a job that is done: always the same small sample
``GET /_sim/report``                      the ledger: accepted, charged, duplicate_charges, cancelled, calls
``GET /_sim/jobs``                        every job with its times and outcome
``POST /_sim/faults``                     probabilities of faults, see ``faults.Faults``; answers all of them
``POST /_sim/durations``                  how long jobs wait and take, see ``jobs.Durations``
``GET /_sim/webhooks``                    every webhook sent, and how it was answered
``POST /_sim/webhooks``                   where a vendor's webhooks go, of vendors that are told so by a person:
                                          ``{"openai_videos": url}``
``POST /_sim/reset``                      forget everything
========================================  ==============================================================

Every key is an account of its own, but those that begin with ``wrong``, which no vendor knows.

A test that needs neither sockets nor real time calls :func:`answer` on a :class:`World` with a clock of its own.
"""

from vidpoll.simulator.dispatch import answer
from vidpoll.simulator.faults import Faults
from vidpoll.simulator.jobs import Durations
from vidpoll.simulator.server import Simulator, serve
from vidpoll.simulator.wire import Call, Reply
from vidpoll.simulator.world import World

__all__ = ["Call", "Durations", "Faults", "Reply", "Simulator", "World", "answer", "serve"]
