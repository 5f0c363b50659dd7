"""Client: the HTTP API of an Impasto server as Python."""

from impasto.client.client import Client
from impasto.client.errors import Busy, KeyRefused, NoAnswer
from impasto.client.job import RemoteJob, RemotePastiche
from impasto.client.multipart import Upload
from impasto.client.retry import Retry

__all__ = ["Busy", "Client", "KeyRefused", "NoAnswer", "RemoteJob", "RemotePastiche", "Retry", "Upload"]
