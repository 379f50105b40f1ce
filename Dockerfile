# The image of a release; goreleaser lays the executable for each platform beside this file. With a shell and sleep,
# so that it can wait as a sidecar (docs/containers.md).
FROM alpine:3.22
ARG TARGETPLATFORM
COPY $TARGETPLATFORM/mayfly /usr/bin/mayfly
COPY LICENSE LICENSE.bpf THIRD_PARTY_NOTICES /usr/share/doc/mayfly/
ENTRYPOINT ["mayfly"]
