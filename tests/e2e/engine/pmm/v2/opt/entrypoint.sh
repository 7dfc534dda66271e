#!/bin/bash
# At the first start lay out /srv as PMM 2 does; at each start run supervisord.
set -e
if [ ! -e /srv/pmm-distribution ]; then
    mkdir -p /srv/{alerting/templates,alertmanager,backup,clickhouse,grafana/plugins,logs,nginx,pmm-agent/tmp} \
        /srv/{prometheus/rules,update,victoriametrics/data}
    install -d -o postgres -g postgres -m 700 /srv/postgres14
    setpriv --reuid=postgres --regid=postgres --clear-groups env LC_ALL=C HOME=/ \
        /usr/lib/postgresql/15/bin/initdb -D /srv/postgres14 -U postgres --auth=trust -E UTF8 >/dev/null
    echo 'global: {}' >/srv/prometheus/prometheus.base.yml
    cp /usr/share/percona-dashboards/VERSION /srv/grafana/PERCONA_DASHBOARDS_VERSION
    (umask 077 && head -c 1200 /dev/urandom | base64 >/srv/nginx/certificate.key)
    head -c 900 /dev/urandom | base64 >/srv/nginx/certificate.crt
    cp /srv/nginx/certificate.crt /srv/nginx/ca-certs.pem
    head -c 300 /dev/urandom | base64 >/srv/nginx/dhparam.pem
    chown -R pmm:pmm /srv/{alerting,alertmanager,logs,pmm-agent,prometheus,victoriametrics}
    chown -R grafana:grafana /srv/grafana
    # Its existence says that all this is done.
    echo docker >/srv/pmm-distribution
fi
exec /usr/bin/supervisord -n -c /etc/supervisord.conf
