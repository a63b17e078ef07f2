"""A server on loopback that speaks the model providers' dialects; see `server.py`."""

from icil.harness.fake_server.answers import Oddities
from icil.harness.fake_server.call import Call
from icil.harness.fake_server.faults import FaultKind, FaultRule, read_fault
from icil.harness.fake_server.log import RequestRecord
from icil.harness.fake_server.server import FakeServer, Urls, serve_in_thread
from icil.harness.fake_server.settings import ServerSettings

__all__ = [
    "Call",
    "FakeServer",
    "FaultKind",
    "FaultRule",
    "Oddities",
    "RequestRecord",
    "ServerSettings",
    "Urls",
    "read_fault",
    "serve_in_thread",
]
