# Images from source, for those who build themselves. `evergate cluster deploy` needs none of this: it makes images of
# the program that runs. What is in them is the same (crates/cluster/src/image.rs).
#
#   docker build --target evergate              --tag evergate:1.0.0              .
#   docker build --target evergate-access-point --tag evergate-access-point:1.0.0 .

ARG BUILDER=rust:1.95-bookworm

FROM ${BUILDER} AS build
WORKDIR /source
COPY . .
RUN cargo build --release --package evergate --package evergate-edge --bins
# For each program a root of its own: loader and libraries at their paths, certificates, a user, directories.
RUN set -eu; \
    for program in evergate evergate-access-point; do \
        root="/root-of-$program"; \
        mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$root/tmp" \
            "$root/var/lib/evergate" "$root/var/lib/evergate-database"; \
        install -m 755 "target/release/$program" "$root/usr/bin/$program"; \
        ln -s "$program" "$root/usr/bin/evergate-instance"; \
        ldd "target/release/$program" | grep -o '/[^ ]*' | while read -r library; do \
            mkdir -p "$root$(dirname "$library")"; \
            cp --dereference "$library" "$root$library"; \
        done; \
        if [ -f /etc/ssl/certs/ca-certificates.crt ]; then \
            cp --dereference /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"; \
        fi; \
        echo 'hosts: files dns' > "$root/etc/nsswitch.conf"; \
        printf 'root:x:0:\nevergate:x:65532:\n' > "$root/etc/group"; \
        printf 'root:x:0:0:root:/:/nonexistent\nevergate:x:65532:65532:Evergate:/var/lib/evergate:/nonexistent\n' \
            > "$root/etc/passwd"; \
        chmod 1777 "$root/tmp"; \
        chmod 700 "$root/var/lib/evergate" "$root/var/lib/evergate-database"; \
        chown 65532:65532 "$root/var/lib/evergate" "$root/var/lib/evergate-database"; \
    done

FROM scratch AS evergate-access-point
COPY --from=build /root-of-evergate-access-point/ /
ENV PATH=/usr/bin
USER 65532:65532
ENTRYPOINT ["/usr/bin/evergate-instance", "supervise"]

FROM scratch AS evergate
COPY --from=build /root-of-evergate/ /
ENV PATH=/usr/bin
USER 65532:65532
ENTRYPOINT ["/usr/bin/evergate-instance", "supervise"]
