# The world around a PBX: callers and a far end (SIPp), a payment provider, a mail catcher.
FROM debian:trixie-slim
LABEL org.opencontainers.image.title="Coinbox's lab" org.opencontainers.image.licenses="MIT"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3-venv sip-tester util-linux \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log \
    && useradd --uid 10574 --home-dir /lab --create-home --skel /dev/null lab \
    && install --directory --owner lab /far-end
RUN python3 -m venv /opt/lab
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY ratecards ratecards
COPY systemd systemd
COPY dialplan dialplan
COPY tests tests
RUN /opt/lab/bin/pip install --no-cache-dir "pip>=25.1" \
    && /opt/lab/bin/pip install --no-cache-dir --editable . --group lab
ENV PATH=/opt/lab/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER lab
VOLUME /far-end
CMD ["python", "-m", "tests.lab.containers"]
