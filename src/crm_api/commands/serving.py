"""`crm-api serve`: prepare once, then run the server processes."""

import asyncio
import os
import socket
from typing import Annotated

import typer
import uvicorn

from crm_api.commands.demo import describe_demo
from crm_api.commands.running import err, explained, settings_or_exit
from crm_api.commands.working import ended_in_order, job_workers
from crm_api.core.config import Settings
from crm_api.core.server import run_server, uvicorn_options
from crm_api.installation import InstallationError, prepare, refuse_unsafe_role

DRAIN_SECONDS = 20
ANSWER_SECONDS = 60
"""uvicorn takes a process for hung that does not answer it in five, also while it still imports: on
a busy machine it would kill and start them for ever."""
FACTORY = "crm_api.main:app_from_environment"


def register(app: typer.Typer) -> None:
    app.command()(serve)


def _refuse_busy_port(settings: Settings) -> None:
    """Before anything is said to be there; the server's own message comes after all of it."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise InstallationError(
                f"Port {settings.port} on {settings.host} cannot be used: {error.strerror}. "
                "Stop what listens there, or choose another one with CRM_PORT."
            ) from None


@explained
def serve(
    host: Annotated[str | None, typer.Option(help="Instead of CRM_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of CRM_PORT.")] = None,
    workers: Annotated[int | None, typer.Option(help="Instead of CRM_WORKERS.", min=1)] = None,
    *,
    reload: Annotated[bool, typer.Option(help="Restart when the code changes.")] = False,
) -> None:
    """Serve the API. Brings the database up to date first; SIGTERM finishes running requests."""
    for name, value in (("CRM_HOST", host), ("CRM_PORT", port), ("CRM_WORKERS", workers)):
        if value is not None:
            os.environ[name] = str(value)
    settings = settings_or_exit()
    _refuse_busy_port(settings)

    async def ready() -> None:
        addresses = await prepare(settings)
        await refuse_unsafe_role(addresses.application)

    asyncio.run(ready())
    # Server processes read the same settings, and find the same generated secret.
    os.environ.setdefault("CRM_DATA_DIR", str(settings.data_dir))
    err.print(f"Docs:  {settings.base_url}/docs", highlight=False)
    describe_demo(settings)
    with ended_in_order(), job_workers(settings.job_workers, reload=reload):
        _run(settings, reload=reload)


def _run(settings: Settings, *, reload: bool) -> None:
    options = uvicorn_options() | {
        "factory": True,
        "host": settings.host,
        "port": settings.port,
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": [str(network) for network in settings.trusted_proxies] or None,
        "timeout_graceful_shutdown": DRAIN_SECONDS,
        "timeout_worker_healthcheck": ANSWER_SECONDS,
    }
    if reload:
        uvicorn.run(FACTORY, reload=True, **options)
    else:
        run_server(uvicorn.Config(FACTORY, workers=settings.workers, **options))
