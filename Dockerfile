# The image that `kseal webhook manifests --image` names: docker build --tag kseal .
FROM node:24-slim AS build
WORKDIR /kseal
COPY package.json package-lock.json .npmrc build.config.mjs ./
COPY bin bin
COPY src src
RUN npm ci && npm prune --omit=dev && rm -r src build.config.mjs .npmrc

FROM node:24-slim
COPY --from=build /kseal /kseal
# Nobody in particular, without a shell's needs: the root file system may be read-only.
USER 65532:65532
# Node opens with a local key on as many threads as this, and 4 unless it is told.
ENV UV_THREADPOOL_SIZE=16
# No signal starts the inspector, which would show what is in memory.
ENTRYPOINT ["node", "--disable-sigusr1", "/kseal/bin/kseal.js"]
