# Two stages: the first may install and build, the second only runs.

FROM python:3.13-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_INPUT=1
WORKDIR /build

# Dependencies first: this layer changes with the lock files alone. The build back end stays out of
# the environment that is shipped.
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /opt/crm-api \
    && python -m venv /opt/backend \
    && /opt/crm-api/bin/pip install --require-hashes --only-binary=:all: -r requirements.lock \
    && /opt/backend/bin/pip install --require-hashes --only-binary=:all: -r requirements-build.lock

COPY pyproject.toml README.md LICENSE ./
COPY src ./src
COPY migrations ./migrations
RUN /opt/backend/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /build/dist . \
    && /opt/crm-api/bin/pip install --no-index --no-deps /build/dist/*.whl \
    && /opt/crm-api/bin/pip uninstall --yes pip


FROM python:3.13-slim-bookworm

# A number, not a name: an orchestrator can then verify that it is not root.
RUN python -m pip uninstall --yes pip \
    && useradd --system --uid 10001 --user-group --home-dir /data --create-home crm

COPY --from=build /opt/crm-api /opt/crm-api

# Without DATABASE_URL the embedded PostgreSQL keeps its data in /data.
ENV PATH="/opt/crm-api/bin:${PATH}" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CRM_HOST=0.0.0.0 \
    CRM_PORT=8000 \
    CRM_DATA_DIR=/data

WORKDIR /data
USER 10001:10001
VOLUME ["/data"]
EXPOSE 8000

HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['CRM_PORT'] + '/readyz', timeout=2)"]

ENTRYPOINT ["crm-api"]
CMD ["serve"]
