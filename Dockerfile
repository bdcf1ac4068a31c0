# The worker, and the simulator beside it: Python and the locked packages. The final stage has no pip and no compiler,
# and nothing in it calls a shell. It needs no writable file system and no rights. `scripts/image` builds and tries it.

FROM python:3.13-slim AS build
WORKDIR /build
COPY requirements.lock requirements-build.lock ./
# Only what the locks name is installed: `--no-deps`, and each file by its hash.
RUN python -m venv --without-pip /opt/jobrelay \
    && pip --python /opt/jobrelay/bin/python install --no-cache-dir --no-deps --only-binary :all: --require-hashes \
        --requirement requirements.lock \
    && pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes --root-user-action ignore \
        --requirement requirements-build.lock
COPY . .
RUN pip wheel --no-cache-dir --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip --python /opt/jobrelay/bin/python install --no-cache-dir --no-index --no-deps /wheels/*.whl

FROM python:3.13-slim
# The base image has its library uncompiled, and nobody can write that down when it runs.
RUN pip uninstall --yes --quiet --root-user-action ignore pip \
    && rm -rf /usr/local/lib/python3.*/ensurepip \
    && python -m compileall -q -x '/(test|idlelib|tkinter|turtledemo|pydoc_data)/' /usr/local/lib/python3.*
COPY --from=build /opt/jobrelay /opt/jobrelay
ENV PATH=/opt/jobrelay/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["jobrelay", "probe"]
ENTRYPOINT ["jobrelay"]
CMD ["run"]

ARG VERSION=dev REVISION=unknown CREATED=unknown
LABEL org.opencontainers.image.title="Jobrelay" \
      org.opencontainers.image.description="Start-job requests from RabbitMQ, started once in UiPath Orchestrator, told as events." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"
