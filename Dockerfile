# An image with Bullock and nothing else: no shell, no package manager, not root.
#
#   docker build -t bullock .
#   docker run --rm -v ./bullock.toml:/etc/bullock/bullock.toml:ro -e REDIS_URL=redis://redis:6379 bullock
#
# Jobs that are programs need theirs: build an image of your own and COPY --from=bullock /usr/local/bin/bullock into it.
FROM node:22-bookworm-slim AS web
WORKDIR /src
COPY web/package.json web/package-lock.json web/
RUN npm ci --prefix web --no-audit --no-fund --loglevel=error
COPY web web
RUN npm run --prefix web build

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
COPY --from=web /src/web/dist web/dist
# The same steps as on any other machine: what is tested there is what is in the image.
RUN script/image /image

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /image /
# bullock.toml is read from here.
WORKDIR /etc/bullock
# nonroot, as a number: Kubernetes checks that it is not 0.
USER 65532:65532
# Only whether the process answers: a Redis that is away is no reason to restart it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/local/bin/bullock", "check", "--live"]
ENTRYPOINT ["/usr/local/bin/bullock"]
CMD ["run"]
