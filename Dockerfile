# The image for `kseal webhook manifests --image`: docker build --tag kseal .
FROM node:24 AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc build.config.mjs LICENSE ./
COPY bin bin
COPY build build
COPY src src
RUN npm ci && npm run build:standalone && rm standalone/SHA256SUMS && mv standalone/kseal-*-linux-*64 kseal

# glibc and libstdc++, and neither a shell nor Node.js. Pin a digest in your own builds: none is pinned
# here, because the tag gets the security fixes of Debian.
FROM gcr.io/distroless/cc-debian13:nonroot
COPY --from=build /build/kseal /usr/bin/kseal
COPY --from=build /build/standalone /usr/share/doc/kseal
# An unprivileged user. The root file system may be read-only.
USER 65532:65532
# The number of threads that decrypt with a local key; the default is 4.
ENV UV_THREADPOOL_SIZE=16
ENTRYPOINT ["/usr/bin/kseal"]
