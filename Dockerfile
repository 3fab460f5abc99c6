# Weir's image: Node 24, no shell, no package manager, not root. `docker build -t weir .`
#
# Debian, not Alpine: the embedded engine (chdb) is built for glibc. No package needs an install script: native parts (chdb, lz4-napi,
# esbuild) come as packages of their own for each platform, so scripts stay off.

FROM node:24.22.1-trixie-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN ["npm", "ci", "--omit=dev", "--ignore-scripts"]

FROM node:24.22.1-trixie-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN ["npm", "ci", "--ignore-scripts"]
COPY . .
RUN ["node", "scripts/build.mjs"]

# Everything below / that the last stage has: Node, the libraries it and the native packages ask for, an account, folders to write to.
FROM packages AS root
COPY scripts/image-root.mjs scripts/
RUN ["node", "scripts/image-root.mjs", "/image"]

FROM scratch
COPY --from=root /image/ /
COPY --from=packages /app/node_modules/ /app/node_modules/
COPY --from=build /app/dist/ /app/dist/
COPY package.json LICENSE deploy/healthcheck.mjs /app/
ENV PATH=/usr/local/bin NODE_ENV=production WEIR_DATA=/var/lib/weir WEIR_HOST=0.0.0.0
USER 10001:10001
WORKDIR /var/lib/weir
VOLUME /var/lib/weir
EXPOSE 8787 8788 8123
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "/app/healthcheck.mjs", "http://127.0.0.1:8787/readyz"]
ENTRYPOINT ["node", "/app/dist/cli/main.js"]
CMD ["start"]
