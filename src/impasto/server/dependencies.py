"""Dependencies: what requests find in the application."""

from __future__ import annotations

from fastapi import Request

from impasto.jobs.service import Jobs

__all__ = ["jobs_of"]


def jobs_of(request: Request) -> Jobs:
    """The jobs that the application was made for."""
    jobs: Jobs = request.app.state.jobs
    return jobs
