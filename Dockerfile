# The image for `kseal webhook manifests --image`: docker build --tag kseal .
FROM node:24-slim AS build
WORKDIR /kseal
COPY package.json package-lock.json .npmrc build.config.mjs ./
COPY bin bin
COPY build build
COPY src src
RUN npm ci && npm prune --omit=dev && rm -r src build build.config.mjs .npmrc

FROM node:24-slim
COPY --from=build /kseal /kseal
# An unprivileged user. The root file system may be read-only.
USER 65532:65532
# The number of threads that decrypt with a local key; the default is 4.
ENV UV_THREADPOOL_SIZE=16
# SIGUSR1 must not start the inspector, which gives access to the memory.
ENTRYPOINT ["node", "--disable-sigusr1", "/kseal/bin/kseal.cjs"]
