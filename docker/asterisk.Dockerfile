# Asterisk as Debian has it, with Coinbox's dialplan and the configuration of the lab.
FROM debian:sid-slim
LABEL org.opencontainers.image.title="Asterisk with Coinbox's dialplan" \
    org.opencontainers.image.licenses="GPL-2.0-only AND MIT"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends asterisk asterisk-core-sounds-en-gsm \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /etc/asterisk \
    && asterisk -V | grep "^Asterisk 22\."
COPY tests/lab/asterisk /lab/templates
COPY dialplan /lab/dialplan
COPY docker/asterisk /lab/docker
WORKDIR /pbx
# Those that are made anew at each start may be mounted, as anybody's.
RUN for folder in etc lib log run data/sounds spool/outgoing; do mkdir -p "$folder"; done \
    && ln -s "$(dirname "$(find /usr/share/asterisk /var/lib/asterisk -path '*sounds/en*' -name im-sorry.gsm | head -n 1)")" data/sounds/en \
    && ln -s /usr/share/asterisk/documentation data/documentation \
    && ln -s "$(dirname "$(find /usr/lib -name app_dial.so)")" /lab/modules \
    && ln -s /pbx/etc /etc/asterisk \
    && chown -R asterisk:asterisk . \
    && chmod 1777 etc run
USER asterisk
VOLUME ["/pbx/lib", "/pbx/log", "/pbx/spool"]
EXPOSE 5060/udp 5038
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s \
    CMD asterisk -rx "core waitfullybooted" | grep -q booted
CMD ["/lab/docker/start"]
