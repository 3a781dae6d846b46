# What else the lab needs, as Debian has it: each a target of its own.
FROM debian:trixie-slim AS valkey
LABEL org.opencontainers.image.title="Valkey for Coinbox's lab"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends valkey-server valkey-tools \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log \
    && install --directory --owner valkey /data
USER valkey
WORKDIR /data
VOLUME /data
EXPOSE 6379
HEALTHCHECK --interval=5s --timeout=3s \
    CMD REDISCLI_AUTH=$(cat /run/secrets/valkey) valkey-cli ping | grep -q PONG
# A store of money: each operation is on the disk before it is answered, and none is evicted.
CMD ["sh", "-c", "password=$(cat /run/secrets/valkey) && exec valkey-server --bind '* -::*' --requirepass \"$password\" --dir /data --appendonly yes --appendfsync always --maxmemory-policy noeviction --save ''"]

FROM debian:trixie-slim AS postgres
LABEL org.opencontainers.image.title="PostgreSQL for Coinbox's lab"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/lib/postgresql/* \
    && install --directory --owner postgres /data \
    && install --directory --mode 1777 /run/postgresql
COPY docker/postgres.sh /
USER postgres
ENV PATH=/usr/lib/postgresql/17/bin:$PATH PGDATA=/data/17
VOLUME /data
EXPOSE 5432
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s CMD pg_isready --quiet --username coinbox
CMD ["sh", "/postgres.sh"]

FROM debian:trixie-slim AS prometheus
LABEL org.opencontainers.image.title="Prometheus for Coinbox's lab"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends prometheus \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log \
    && install --directory --owner prometheus /data
COPY docker/prometheus.yaml /etc/prometheus/prometheus.yml
USER prometheus
VOLUME /data
EXPOSE 9090
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s CMD promtool check healthy
CMD ["prometheus", "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/data"]
