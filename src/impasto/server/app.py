"""App: the HTTP API and the studio as one ASGI application."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from anyio.to_thread import current_default_thread_limiter
from fastapi import Depends, FastAPI
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from impasto.jobs.service import Jobs
from impasto.server.auth import Keys, owner_of
from impasto.server.client_limits import ClientLimits
from impasto.server.compat import docs_page, magenta_api, torchserve, tutorial_api
from impasto.server.compat.compat import Compat, welcome
from impasto.server.compat.error_formats import refusal
from impasto.server.health import Health
from impasto.server.metrics import CONTENT_TYPE, MeasureRequests, Metrics
from impasto.server.middleware.access_log import AccessLog
from impasto.server.middleware.allowed_hosts import AllowedHosts
from impasto.server.middleware.conditional import Conditional
from impasto.server.middleware.guard import Guard, UploadLimit
from impasto.server.middleware.root_path import RootPath
from impasto.server.problems import add_handlers
from impasto.server.routes import events, info, studio, styles, stylize
from impasto.server.routes import jobs as jobs_module

__all__ = ["make_app"]

# One form may hold several pictures, and what is around them.
_FORM = 1 << 20
_WAITING = 4
"""How many times the places in line may be taken, at most, where many owners ask for their share."""
_LAST = 1.0
"""Seconds that the queue's threads have to end, once all is saved and the process ends anyway."""


def make_app(
    jobs: Jobs,
    keys: Keys,
    *,
    hosts: AllowedHosts | None = None,
    clients: ClientLimits | None = None,
    root: str = "",
    grace: float = 8.0,
    compat: Compat | None = None,
) -> FastAPI:
    """Starts ``jobs`` with the application, and stops them with it: what runs may end within ``grace`` seconds of the
    moment ``app.state.told``, if that is set, when the server was told to stop.

    ``hosts`` are the names that the server may be asked for by; None allows all. ``root`` is the path that it has on
    its host, where a proxy has others beside it. With ``compat`` it has the doors of other public programs as well.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.closing = asyncio.Event()
        # Who waits for a picture holds a thread; that is not to keep others from theirs.
        current_default_thread_limiter().total_tokens += _WAITING * jobs.limits.at_once
        await run_in_threadpool(jobs.start)
        if compat is not None:
            await run_in_threadpool(compat.start)
        try:
            yield
        finally:
            app.state.closing.set()
            told = getattr(app.state, "told", None)
            left = grace if told is None else max(0.0, told + grace - time.monotonic())
            # Not in the threads that requests have: those may all be waiting for what ends here.
            if compat is not None:
                await asyncio.to_thread(compat.stop)
            await asyncio.to_thread(jobs.stop, left, None if told is None else _LAST)

    app = FastAPI(
        title="Impasto",
        version=version("impasto"),
        description="Repaint photographs in the style of paintings.",
        lifespan=lifespan,
        # Their pages load scripts of third parties.
        docs_url=None,
        redoc_url=None,
        license_info={"name": "Apache-2.0"},
    )
    measures = Metrics(jobs)
    app.state.jobs, app.state.keys, app.state.measures = jobs, keys, measures
    app.state.health = health = Health(jobs)
    add_handlers(app)
    if compat is not None:
        app.state.compat = compat
        # Before the studio, whose address it has.
        app.include_router(welcome)
    for room in (stylize, jobs_module, events, styles, info, studio):
        app.include_router(room.router)

    @app.get("/metrics", include_in_schema=False, dependencies=[Depends(owner_of)])
    async def metrics() -> Response:
        text = await asyncio.to_thread(measures.text, await health.ask())
        return Response(text, media_type=CONTENT_TYPE)

    most = jobs.limits.upload_bytes + _FORM
    limits = ClientLimits() if clients is None else clients
    # The last is the first to see a request.
    app.add_middleware(Conditional)
    if compat is None:
        app.add_middleware(UploadLimit, most=most, clients=limits)
    else:
        # Behind all others, for the last of them takes what is left.
        for router in (
            docs_page.router,
            magenta_api.router,
            torchserve.router,
            torchserve.last,
            tutorial_api.router,
            tutorial_api.last,
        ):
            app.include_router(router)
        app.add_middleware(UploadLimit, most=most, clients=limits, refused=refusal)
    app.add_middleware(Guard, hosts=hosts)
    app.add_middleware(MeasureRequests, measures=measures)
    app.add_middleware(AccessLog)
    if root:
        # It answers nothing by itself, so every answer has passed the log.
        app.add_middleware(RootPath, root=root)
    return app
