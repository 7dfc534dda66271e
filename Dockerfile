# The static program and nothing else: a helper container for hosts where nothing may be installed.
#
# Make it; needs no network:
#   scripts/build-static && docker build -t pmm-seal -f Dockerfile dist
#
# Back up the volume of a stopped server. /etc/pmm-seal/pass holds the passphrase and has mode 0600:
#   docker stop -t 300 pmm-server
#   docker run --rm --log-driver none --network none --read-only --volumes-from pmm-data:ro \
#       -v /backups:/backups -v /etc/pmm-seal/pass:/run/secrets/pass:ro \
#       pmm-seal backup --passphrase-file /run/secrets/pass -o /backups/ /srv
#   docker start pmm-server
#
# Restore it to a new volume that no server has used yet:
#   docker run --rm --log-driver none --network none --read-only --volumes-from pmm-data \
#       -v /backups:/backups:ro -v /etc/pmm-seal/pass:/run/secrets/pass:ro \
#       pmm-seal restore --passphrase-file /run/secrets/pass /backups/ARCHIVE /srv
#
# --log-driver none matters where an archive is written to standard output (docker run ... > FILE):
# Docker would keep a second copy of it in the container's log. Never -t with an archive.
FROM scratch
COPY pmm-seal-*-linux-* /pmm-seal
ENTRYPOINT ["/pmm-seal"]
CMD ["--help"]
