# The gateway: what `pip install coinbox` gives on a slim Debian, and nothing that could build.
FROM debian:trixie-slim AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3-venv \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/build && /opt/build/bin/pip install --no-cache-dir build
RUN python3 -m venv --without-pip /opt/coinbox
WORKDIR /source
COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY gateway gateway
COPY dialplan dialplan
COPY ratecards ratecards
COPY systemd systemd
RUN /opt/build/bin/python -m build --wheel --outdir /dist \
    && /opt/build/bin/pip --python /opt/coinbox/bin/python install --no-cache-dir /dist/*.whl

FROM debian:trixie-slim
LABEL org.opencontainers.image.title="Coinbox" \
    org.opencontainers.image.description="A prepaid call-control authorization gateway for Asterisk." \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.licenses="MIT"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log \
    && useradd --uid 10573 --home-dir /var/lib/coinbox --create-home --skel /dev/null coinbox
COPY --from=build /opt/coinbox /opt/coinbox
ENV PATH=/opt/coinbox/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    COINBOX_DATA_DIR=/var/lib/coinbox \
    COINBOX_AGI__HOST=0.0.0.0 \
    COINBOX_HTTP__HOST=0.0.0.0
USER coinbox
WORKDIR /var/lib/coinbox
VOLUME /var/lib/coinbox
EXPOSE 4573 8080
# Whether it is alive; whether it can decide calls is /readyz.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s \
    CMD ["python3", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ.get('COINBOX_HTTP__PORT', 8080)}/healthz\")"]
CMD ["coinbox", "serve"]
