"""`crm-api serve`: prepare once, then run the server processes."""

import asyncio
import os
from typing import Annotated

import typer
import uvicorn

from crm_api.commands.demo import describe_demo
from crm_api.commands.running import err, explained, settings_or_exit
from crm_api.core.server import run_server, uvicorn_options
from crm_api.installation import prepare, refuse_unsafe_role

DRAIN_SECONDS = 20
# uvicorn asks its workers whether they live, also those that are still importing. It kills who is
# silent for five seconds: on a busy machine no worker ever got to serve.
SILENT_WORKER_SECONDS = 30
FACTORY = "crm_api.main:app_from_environment"


def register(app: typer.Typer) -> None:
    app.command()(serve)


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

    async def ready() -> None:
        addresses = await prepare(settings)
        await refuse_unsafe_role(addresses.application)

    asyncio.run(ready())
    # Server processes read the same settings, and find the same generated secret.
    os.environ.setdefault("CRM_DATA_DIR", str(settings.data_dir))
    err.print(f"Docs:  {settings.base_url}/docs", highlight=False)
    describe_demo(settings)
    options = uvicorn_options() | {
        "factory": True,
        "host": settings.host,
        "port": settings.port,
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": [str(network) for network in settings.trusted_proxies] or None,
        "timeout_graceful_shutdown": DRAIN_SECONDS,
        "timeout_worker_healthcheck": SILENT_WORKER_SECONDS,
    }
    if reload:
        uvicorn.run(FACTORY, reload=True, **options)
    else:
        run_server(uvicorn.Config(FACTORY, workers=settings.workers, **options))
