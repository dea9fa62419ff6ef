# A self-contained image: the program, and PostgreSQL's programs for its embedded database.
#
#   docker build -t shopping-cart --build-arg REVISION=$(git rev-parse HEAD) .
#   docker run -p 8080:8080 -v shopping-cart:/data shopping-cart

FROM golang:1.26.10-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG REVISION
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X shopping-cart/internal/app.revision=$REVISION" -o /shopping-cart .

FROM debian:bookworm-slim
# createcluster.conf: the package must not create a cluster.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates postgresql-common tini \
 && sed -ri 's/#?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf \
 && apt-get install -y --no-install-recommends postgresql-15 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin shop \
 && install -d -o shop -g shop -m 0750 /data
COPY --from=build /shopping-cart /usr/local/bin/shopping-cart

USER shop
WORKDIR /data
VOLUME /data
ENV DATA_DIR=/data
EXPOSE 8080
# After SIGTERM the program drains and stops its database. Allow more time than SHUTDOWN_TIMEOUT.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["shopping-cart", "health"]
# tini, as the first process, reaps the orphans of a killed database.
ENTRYPOINT ["tini", "--", "shopping-cart"]
