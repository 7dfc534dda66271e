#!/bin/bash
# At the first start lay out /srv as PMM 3 does; at each start run supervisord. Runs as user 1000 of group
# 0, or as any user of that group, without any capability.
set -e
if [ ! -w /srv ]; then
    echo "/srv is not writable for $(id -u):$(id -g)" >&2
    exit 1
fi

# PostgreSQL wants a name for its user. As in PMM, a library tells it one where /etc/passwd has none.
if ! getent passwd "$(id -u)" >/dev/null; then
    NSS_WRAPPER_PASSWD=$(mktemp)
    NSS_WRAPPER_GROUP=/etc/group
    LD_PRELOAD=libnss_wrapper.so
    cat /etc/passwd >"$NSS_WRAPPER_PASSWD"
    echo "pmm-any:x:$(id -u):$(id -g):PMM Server:/home/pmm:/bin/bash" >>"$NSS_WRAPPER_PASSWD"
    export NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP LD_PRELOAD
fi

if [ ! -e /srv/pmm-distribution ]; then
    umask 002
    mkdir -p /srv/{alerting,backup,clickhouse,grafana,logs,nginx,pmm-agent,prometheus,victoriametrics} \
        /srv/{alerting/templates,grafana/plugins,nginx/tmp,pmm-agent/tmp,prometheus/rules,victoriametrics/data}
    (umask 077 && head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >/srv/.postgres_password)
    mkdir -m 700 /srv/postgres14
    LC_ALL=C /usr/lib/postgresql/15/bin/initdb -D /srv/postgres14 -U postgres -E UTF8 --auth-local=trust \
        --auth-host=scram-sha-256 --pwfile=/srv/.postgres_password >/dev/null
    echo 'global: {}' >/srv/prometheus/prometheus.base.yml
    cp /usr/share/percona-dashboards/VERSION /srv/grafana/PERCONA_DASHBOARDS_VERSION
    (umask 077 && head -c 1200 /dev/urandom | base64 >/srv/nginx/certificate.key)
    head -c 900 /dev/urandom | base64 >/srv/nginx/certificate.crt
    cp /srv/nginx/certificate.crt /srv/nginx/ca-certs.pem
    echo '[req]' >/srv/nginx/certificate.conf
    head -c 300 /dev/urandom | base64 >/srv/nginx/dhparam.pem
    # In the clear and readable, as in PMM.
    head -c 140 /dev/urandom | base64 -w 0 >/srv/pmm-encryption.key
    chmod 644 /srv/pmm-encryption.key
    umask 022
    # Its existence says that all this is done.
    echo docker >/srv/pmm-distribution
fi
chmod 750 /srv/postgres14
exec /usr/bin/supervisord -n -c /etc/supervisord.conf
