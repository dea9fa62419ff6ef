# Two images. The default one is self-contained: the program, and PostgreSQL's programs for its embedded database.
#
#   docker build -t shopping-cart --build-arg REVISION=$(git rev-parse HEAD) .
#   docker run -p 8080:8080 -v shopping-cart:/data shopping-cart
#
# The other one holds the program alone, for a DATABASE_URL. It runs with a read-only root and without capabilities; see compose.yaml.
#
#   docker build -t shopping-cart:external --target external .

FROM golang:1.26.10-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG REVISION
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X shopping-cart/internal/app.revision=$REVISION" -o /shopping-cart . \
 && echo 'shop:x:10001:10001::/nonexistent:/nonexistent' >/passwd

FROM scratch AS external
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /passwd /etc/passwd
COPY --from=build /shopping-cart /usr/local/bin/shopping-cart
USER 10001:10001
ENV PATH=/usr/local/bin
EXPOSE 8080
# After SIGTERM the program drains. Allow more time than SHUTDOWN_NOTICE + SHUTDOWN_TIMEOUT.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["shopping-cart", "health"]
ENTRYPOINT ["shopping-cart"]

FROM debian:bookworm-slim@sha256:abd67ffcfa541b485a3dff59865ab629aa048a6c613e639d36e7456b0b229241
# createcluster.conf: the package must not create a cluster.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates postgresql-common tini \
 && sed -ri 's/#?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf \
 && apt-get install -y --no-install-recommends postgresql-15 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin shop \
 && install -d -o shop -g shop -m 0700 /data
COPY --from=build /shopping-cart /usr/local/bin/shopping-cart

USER 10001:10001
WORKDIR /data
VOLUME /data
ENV DATA_DIR=/data
EXPOSE 8080
# After SIGTERM the program drains and stops its database. Allow more time than SHUTDOWN_NOTICE + SHUTDOWN_TIMEOUT.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["shopping-cart", "health"]
# tini, as the first process, reaps the orphans of a killed database.
ENTRYPOINT ["tini", "--", "shopping-cart"]
